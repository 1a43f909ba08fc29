import { createHash } from 'node:crypto';
import { judgeName } from '../figure-text.ts';
import { Html } from './html.ts';
import { OUTCOME_TITLES } from '../outcome-titles.ts';
import { browseJudgments, hasMixedOutcomes } from '../page/browse-judgments.ts';
import { matchingExamples, exampleRows, searchTerms } from '../page/matching-examples.ts';
import { markWords, showExample, textElement } from '../page/show-example.ts';
import { unpackedPairs } from '../page/unpacked-pairs.ts';
import { virtualList } from '../page/virtual-list.ts';

/**
 * The script of the page consists of the source text of these functions, which use only the browser and each other by name.
 * It contains no data of a run, so its hash, which is the only one that the page's policy allows, is always the same.
 */
const functions = [
  judgeName,
  exampleRows,
  searchTerms,
  matchingExamples,
  unpackedPairs,
  virtualList,
  textElement,
  showExample,
  markWords,
  hasMixedOutcomes,
  browseJudgments,
];
const text = [
  "'use strict';",
  ...functions.map(String),
  `browseJudgments(${JSON.stringify(OUTCOME_TITLES)});`,
].join('\n');

export const pageScript = new Html(`<script>${text}</script>`);

/** The script's hash for the page's Content-Security-Policy. */
export const pageScriptSource = `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
