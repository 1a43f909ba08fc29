/**
 * Loaded before each script: when the process that started it is gone, the script stops as on SIGTERM instead of living
 * on out of sight.
 */
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
// Listening must not keep a finished script alive.
process.channel?.unref();
