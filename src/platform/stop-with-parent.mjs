/**
 * Loaded before each script. When the process that started the script is gone, the script stops as if by SIGTERM, so
 * that it doesn't continue unnoticed.
 */
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
// This listener must not keep a finished script running.
process.channel?.unref();
