/**
 * All training methods. A new one has a file beside this one and a line in `RECIPES` (docs/architecture.md).
 */
import { z } from 'zod';
import { dpo } from './dpo.ts';
import { grpo } from './grpo.ts';
import type { TrainingRecipe } from './recipe.ts';
import { sft } from './sft.ts';

export const RECIPES = [sft, dpo, grpo] as const;

export const roundSchema = roundSchemaOf(RECIPES);

/** The settings with which an iteration is fine-tuned. */
export type Round = z.output<(typeof RECIPES)[number]['configuration']>;

/** The names of the methods. */
export const METHODS = RECIPES.map(methodOf) as [Round['method'], ...Round['method'][]];

/** The recipe of a round. */
export function recipeOf(round: { readonly method: string }): TrainingRecipe {
  return findRecipe(RECIPES, round.method);
}

/** Finds the recipe of a method. */
export function findRecipe(recipes: readonly TrainingRecipe[], method: string): TrainingRecipe {
  const found = recipes.find((recipe) => methodOf(recipe) === method);
  if (found === undefined) throw new RangeError(`there is no training recipe for the method ${method}`);
  return found;
}

function methodOf(recipe: TrainingRecipe): string {
  return recipe.configuration.shape.method.value;
}

/** The schema of a round of any of the recipes. */
export function roundSchemaOf<const Recipes extends readonly [TrainingRecipe, ...TrainingRecipe[]]>(
  recipes: Recipes,
) {
  const schemas = recipes.map(({ configuration }) => configuration);
  return z.discriminatedUnion('method', schemas as unknown as RoundSchemas<Recipes>);
}

type RoundSchemas<Recipes extends readonly [TrainingRecipe, ...TrainingRecipe[]]> = {
  [Index in keyof Recipes]: Recipes[Index]['configuration'];
};
