/// <reference lib="dom" />

/** A list of any length that has elements only for its visible rows. */
export interface VirtualList {
  /** Sets the number of rows, and scrolls to the top if `fromTop`. */
  show(length: number, fromTop: boolean): void;
  /** Redraws the visible rows, and scrolls so that row `index` is visible. */
  reveal(index: number): void;
}

/**
 * @param box the scrolling element, which must be empty
 * @param rowElement makes the element of a row; all rows have the same height
 */
export function virtualList(box: HTMLElement, rowElement: (index: number) => HTMLElement): VirtualList {
  const height = 37;
  /** Number of additional rows above and below the visible ones, so that fast scrolling shows no gap. */
  const spare = 8;
  const [all, shown] = [document.createElement('div'), document.createElement('div')];
  all.append(shown);
  box.append(all);
  let length = 0;
  const draw = () => {
    const first = Math.max(0, Math.floor(box.scrollTop / height) - spare);
    const last = Math.min(length, Math.ceil((box.scrollTop + box.clientHeight) / height) + spare);
    shown.style.transform = `translateY(${first * height}px)`;
    const indexes = Array.from({ length: Math.max(0, last - first) }, (_, i) => first + i);
    shown.replaceChildren(
      ...indexes.map((index) => {
        const row = rowElement(index);
        row.style.height = `${height}px`;
        return row;
      }),
    );
  };
  box.addEventListener('scroll', draw);
  window.addEventListener('resize', draw);
  return {
    show(rows, fromTop) {
      length = rows;
      all.style.height = `${rows * height}px`;
      if (fromTop) box.scrollTop = 0;
      draw();
    },
    reveal(index) {
      const top = index * height;
      if (top < box.scrollTop) box.scrollTop = top;
      else if (top + height > box.scrollTop + box.clientHeight)
        box.scrollTop = top + height - box.clientHeight;
      draw();
    },
  };
}
