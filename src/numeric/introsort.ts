/** `std::sort` as libstdc++ does it, for orders that are none (NaN): there the steps of the algorithm decide. */

type Less<T> = (a: T, b: T) => boolean;

/** Up to this many items are left to insertion. */
const THRESHOLD = 16;

/** Sorts in place. The unguarded loops of the original stop at the ends of the array, where it reads beyond. */
export function introsort<T>(items: T[], less: Less<T>): void {
  const at = (i: number): T => items[i] as T; // positions come from the loops below
  const swap = (i: number, j: number): void => {
    const kept = at(i);
    items[i] = at(j);
    items[j] = kept;
  };
  const sink = (first: number, hole: number, length: number, value: T): void => {
    const top = hole;
    let child = hole;
    while (child < (length - 1) >> 1) {
      child = 2 * (child + 1);
      if (less(at(first + child), at(first + child - 1))) child--;
      items[first + hole] = at(first + child);
      hole = child;
    }
    if ((length & 1) === 0 && child === (length - 2) >> 1) {
      child = 2 * (child + 1);
      items[first + hole] = at(first + child - 1);
      hole = child - 1;
    }
    for (let parent = (hole - 1) >> 1; hole > top && less(at(first + parent), value); parent = (hole - 1) >> 1) {
      items[first + hole] = at(first + parent);
      hole = parent;
    }
    items[first + hole] = value;
  };
  const heapsort = (first: number, last: number): void => {
    const length = last - first;
    for (let parent = (length - 2) >> 1; parent >= 0; parent--) sink(first, parent, length, at(first + parent));
    for (let end = last - 1; end > first; end--) {
      const value = at(end);
      items[end] = at(first);
      sink(first, 0, end - first, value);
    }
  };
  const medianToFirst = (first: number, a: number, b: number, c: number): void => {
    if (less(at(a), at(b))) swap(first, less(at(b), at(c)) ? b : less(at(a), at(c)) ? c : a);
    else swap(first, less(at(a), at(c)) ? a : less(at(b), at(c)) ? c : b);
  };
  const partition = (first: number, last: number): number => {
    let [low, high] = [first + 1, last];
    for (;;) {
      while (low < items.length && less(at(low), at(first))) low++;
      high--;
      while (high > 0 && less(at(first), at(high))) high--;
      if (low >= high) return low;
      swap(low, high);
      low++;
    }
  };
  const loop = (first: number, last: number, depth: number): void => {
    while (last - first > THRESHOLD) {
      if (depth-- === 0) return heapsort(first, last);
      medianToFirst(first, first + 1, first + ((last - first) >> 1), last - 1);
      const cut = partition(first, last);
      loop(cut, last, depth);
      last = cut;
    }
  };
  const insert = (i: number, floor: number): void => {
    const value = at(i);
    let hole = i;
    for (; hole > floor && less(value, at(hole - 1)); hole--) items[hole] = at(hole - 1);
    items[hole] = value;
  };
  const guarded = (last: number): void => {
    for (let i = 1; i < last; i++) {
      if (!less(at(i), at(0))) insert(i, 0);
      else items.unshift(...items.splice(i, 1));
    }
  };
  if (items.length < 2) return;
  loop(0, items.length, 2 * (31 - Math.clz32(items.length)));
  guarded(Math.min(items.length, THRESHOLD));
  for (let i = THRESHOLD; i < items.length; i++) insert(i, 0);
}
