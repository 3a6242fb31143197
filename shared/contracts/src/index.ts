export { type CallOptions, type Client, type ClientOptions, createClient, problemFrom } from './client.ts';
export { modelName, sha256, timestamp, uuid } from './common.ts';
export {
  type Contract,
  defineContract,
  type Route,
  type RouteAuth,
  type RouteInput,
  type RouteOutput,
  type Routes,
} from './contract.ts';
export { contracts } from './contracts.ts';
export { type InferenceStatus, inferenceStatus, inferenceWorker } from './inference-worker.ts';
export {
  type Decision,
  type DecisionRequest,
  decision,
  decisionRequest,
  type PolicyDomain,
  policyDomain,
  policyEngine,
} from './policy-engine.ts';
export { Problem, type ProblemCode, type ProblemDocument, problemCatalogue, problemSchema } from './problems.ts';
export {
  type Finding,
  finding,
  type QuarantineJob,
  quarantine,
  quarantineJob,
  type StageName,
  type StageReport,
  stageNames,
} from './quarantine.ts';
export { type Model, type ModelFacts, model, modelFacts, promotionRequest, registry } from './registry.ts';
export {
  apiKey,
  type Chat,
  type ChatMessage,
  type ChatSummary,
  chat,
  chatMessage,
  chatSummary,
  sessionState,
  ui,
} from './ui.ts';
