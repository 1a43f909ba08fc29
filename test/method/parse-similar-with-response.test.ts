import assert from 'node:assert/strict';
import { parseSimilarWithResponse } from '../../src/method/parse-similar-with-response.ts';

const START = '[The Start of the Modified Instruction]';
const END = '[The End of the Modified Instruction]';
const ANSWER_START = '[The Start of the Answer to the Modified Instruction]';
const ANSWER_END = '[The End of the Answer to the Modified Instruction]';
const answer = `Sure!\n${START}\nName a river\nin Peru.\n${END}\n${ANSWER_START}\nThe Ucayali.\n${ANSWER_END}\nAnything else?`;
const wanted = { instruction: 'Name a river\nin Peru.', response: 'The Ucayali.' };

describe('an answer with a similar instruction and a response to it', () => {
  it('is parsed from between its markers, with any text around them', () => {
    assert.deepEqual(parseSimilarWithResponse(answer), wanted);
  });

  it('may lack the last marker', () => {
    assert.deepEqual(parseSimilarWithResponse(answer.slice(0, answer.indexOf(ANSWER_END))), wanted);
  });

  for (const mark of [START, END, ANSWER_START]) {
    it(`is not parsed without ${mark}`, () => {
      assert.equal(parseSimilarWithResponse(answer.replace(mark, '')), undefined);
    });
  }

  it('is not parsed if the markers are in another order', () => {
    assert.equal(parseSimilarWithResponse(`${ANSWER_START} a ${ANSWER_END} ${START} x ${END}`), undefined);
  });

  it('is the first of several', () => {
    assert.deepEqual(parseSimilarWithResponse(answer + answer.replaceAll('river', 'lake')), wanted);
  });

  it('is quickly found to be missing in a megabyte of markers', () => {
    assert.equal(parseSimilarWithResponse((START + END).repeat(13_000)), undefined);
  });
});
