export { evaluateJudge } from './evaluate-judge.ts';
export { judgePairsFile } from './judge-pairs-file.ts';
export { mapShards } from './map-shards.ts';
export { selfTaughtEvaluator } from './self-taught-evaluator.ts';
