export { type Migration, openStore, type Queries, type Store, type StoreOptions } from './store.ts';
