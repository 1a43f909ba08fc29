import { createHash } from 'node:crypto';
import { judgeName } from './format.ts';
import { Html } from './html.ts';
import { OUTCOME_TITLES } from './outcome-titles.ts';
import { browseJudgments, isOfTwoMinds } from './page/browse-judgments.ts';
import { matchingRows, rowsOf, wordsOf } from './page/matching-rows.ts';
import { markWords, showExample, textElement } from './page/show-example.ts';
import { unpackedPairs } from './page/unpacked-pairs.ts';
import { virtualList } from './page/virtual-list.ts';

/**
 * What the page runs: these functions' own text, since they use nothing but the browser and each other by name. Nothing
 * of a run stands in it, so that its hash, which the page's policy allows alone, is the same for all.
 */
const functions = [
  judgeName,
  rowsOf,
  wordsOf,
  matchingRows,
  unpackedPairs,
  virtualList,
  textElement,
  showExample,
  markWords,
  isOfTwoMinds,
  browseJudgments,
];
const text = [
  "'use strict';",
  ...functions.map(String),
  `browseJudgments(${JSON.stringify(OUTCOME_TITLES)});`,
].join('\n');

export const pageScript = new Html(`<script>${text}</script>`);

/** For the page's Content-Security-Policy. */
export const pageScriptSource = `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
