export { evaluateJudge } from './evaluate-judge.ts';
export { judgePairs } from './judge-pairs.ts';
export { mapShards } from './map-shards.ts';
export { selfTaughtEvaluator } from './self-taught-evaluator.ts';
