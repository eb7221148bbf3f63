import { bytesText, ProgressLine, type Terminal } from './terminal.js';

/** Shows the steps of a commit while it runs. */
export async function publishProgress<T>(
  terminal: Terminal,
  work: (onProgress: (progress: unknown) => void) => Promise<T>,
): Promise<T> {
  const line = new ProgressLine(terminal);
  try {
    return await work((progress) => {
      const { step, bytesLeft } = progress as { step: string; bytesLeft?: number };
      line.show(bytesLeft === undefined ? `${step} ...` : `${step}: ${bytesText(bytesLeft)} left`);
    });
  } finally {
    line.clear();
  }
}
