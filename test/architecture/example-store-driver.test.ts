import { randomUUID } from 'node:crypto';
import { conformsToObjectStore } from '../store/conformance.ts';
import { exampleDriver } from './example-store-driver.ts';

conformsToObjectStore('example', async () => exampleDriver.open(`below:team@memory:${randomUUID()}`));
