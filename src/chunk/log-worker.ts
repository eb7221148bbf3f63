/** Entry of the log thread. */
import { workerData } from 'node:worker_threads';
import { LogAppender, type LogReply, type LogThreadData } from './log-appender.js';
import { errnoOf } from './log-files.js';

const data = workerData as LogThreadData;

function post(reply: LogReply): void {
  data.mainPort.postMessage(reply);
}

function start(): LogAppender | undefined {
  try {
    const appender = new LogAppender(data);
    const errno = -appender.begin();
    post({ t: 'started', errno });
    return errno === 0 ? appender : undefined;
  } catch (error) {
    post({ t: 'started', errno: errnoOf(error), message: String(error) });
    return undefined;
  }
}

start()?.run();
data.mainPort.close();
data.ownerPort.close();
