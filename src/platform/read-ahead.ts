/**
 * Yields what `read` returns for each item, in their order, and reads up to `ahead` further items meanwhile. With 0 each is read
 * when it is asked for.
 */
export async function* readAhead<Item, T>(
  items: Iterable<Item> | AsyncIterable<Item>,
  ahead: number,
  read: (item: Item) => Promise<T>,
): AsyncGenerator<T> {
  const reading: Promise<T>[] = [];
  for await (const item of items) {
    const next = read(item);
    // A failure is thrown when it is this item's turn, if the consumer comes so far.
    next.catch(() => undefined);
    reading.push(next);
    if (reading.length > ahead) yield (await reading.shift()) as T;
  }
  for (const next of reading) yield await next;
}
