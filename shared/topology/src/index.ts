export { type CallerName, type Edge, edges, edgesFrom, edgesTo, scopesOf } from './edges.ts';
export {
  type Service,
  type ServiceName,
  serviceByName,
  serviceNames,
  services,
  startOrder,
  type Volume,
  type Zone,
} from './services.ts';
