/** The public interface of forkfs. Errors are `VolumeError`s; those of `volume.fs` have the shape of Node's own. */
export { FsError, VolumeError, type VolumeErrorKind } from './base/errors.js';
export type { MountStatus } from './mount/spec.js';
export type { JsonObject, JsonValue } from './version/json.js';
export type { ProducedBy, Storage, VersionStats } from './version/record.js';
export { VolumeBigIntStats, VolumeDirent, VolumeStats } from './volume/fs-stats.js';
export type { FileData, ReadFileOptions, TimeLike, VolumeFileHandle, VolumeFs, VolumePath, WriteFileOptions } from './volume/fs-types.js'; // prettier-ignore
export type { HandleJson, IndexRef } from './volume/handle.js';
export { lineage, type LineageEntry } from './volume/lineage.js';
export type { MountOptions, OpenOptions, Transport } from './volume/options.js';
export type { Duration, Size } from './volume/quantities.js';
export { VersionTree, type EntryType, type TreeEntry } from './volume/version-tree.js';
export { ROVolume, RWVolume, Volume, type CommitOptions, type FinalizeOptions, type NewVolumeOptions } from './volume/volume.js'; // prettier-ignore
