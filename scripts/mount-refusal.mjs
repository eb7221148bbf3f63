// Prints why nothing can be mounted on this machine; nothing when it can.
import { diagnoseFuse } from '../dist/fuse/diagnose.js';

const refusal = (await diagnoseFuse()).find((finding) => !finding.ok);
if (refusal !== undefined) console.log(`${refusal.detail}${refusal.remedy ? `; ${refusal.remedy}` : ''}`);
