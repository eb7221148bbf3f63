import { MemoryStore } from '../../dist/cloud/memory.js';
import { PrefixedStore } from '../../dist/cloud/prefixed.js';
import { objectStoreSuite } from './object-store-suite.ts';

const close = (): Promise<void> => Promise.resolve();

objectStoreSuite('memory', async () => ({ store: new MemoryStore(), close })).run();
objectStoreSuite('below a prefix', async () => ({ store: new PrefixedStore(new MemoryStore(), 'a/b'), close })).run();
