/** `wsmand run`: starts the daemon and ends it in order. */
import { pino } from "pino";
import { messageOf } from "../../domain/errors.ts";
import { startDaemon } from "../app.ts";
import { loadOrExit } from "./check.ts";

/** Runs until SIGTERM or SIGINT; a second one ends at once. */
export async function run(options: { config: string; kubeconfig?: string }): Promise<void> {
  const { config, warnings } = await loadOrExit(options.config);
  const log = pino({ level: config.wsmand.log.level });
  for (const warning of warnings) log.warn({}, warning);
  try {
    const daemon = await startDaemon({ config, kubeconfig: options.kubeconfig, env: process.env, log });
    log.info({ rpcPort: daemon.rpcPort, metricsPort: daemon.metricsPort, namespace: config.manager.namespace }, "serving");
    daemon.synced.then(() => log.info({}, "synchronized"), () => {});
    await stopped();
    log.info({}, "stopping");
    await daemon.close();
    log.info({}, "stopped");
  } catch (error) {
    log.error({ error: messageOf(error) }, "cannot run");
    process.exitCode = 1;
  }
}

function stopped(): Promise<void> {
  // Timers of the daemon do not keep the process alive, this does.
  const alive = setInterval(() => {}, 2 ** 30);
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = (): void => {
      if (asked) process.exit(130);
      asked = true;
      clearInterval(alive);
      resolve();
    };
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
  });
}
