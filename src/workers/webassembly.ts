/** The part of the WebAssembly interface that we use: TypeScript has it only among the types of browsers. */
declare global {
  namespace WebAssembly {
    interface Memory {
      readonly buffer: SharedArrayBuffer;
    }
    interface Module {
      readonly [Symbol.toStringTag]: string;
    }
    interface Instance {
      readonly exports: Record<string, unknown>;
    }
  }
  const WebAssembly: {
    Memory: new (descriptor: { initial: number; maximum: number; shared: true }) => WebAssembly.Memory;
    Module: new (bytes: Uint8Array) => WebAssembly.Module;
    Instance: new (
      module: WebAssembly.Module,
      imports: Record<string, Record<string, unknown>>,
    ) => WebAssembly.Instance;
  };
}

/** Memory that threads share: it goes to a worker by `workerData` or `postMessage`, and stays the same memory. */
export type SharedMemory = WebAssembly.Memory;
