/**
 * Sorting and selecting by comparisons alone, with the order of equals that C++'s standard library (introsort, introselect, heaps) and
 * PyTorch's quickselect leave: PyTorch shows it in the indices of `sort`, `topk`, `kthvalue`, `mode` and `median`.
 * All work in place on `items[from, to)`; `less` is a strict weak order.
 */

export type Less = (a: number, b: number) => boolean;
type Items = number[] | Int32Array;

/** Lines up to this length are sorted by insertion. */
const SHORT = 16;

const item = (items: Items, i: number): number => items[i] ?? 0;

function swap(items: Items, i: number, j: number): void {
  const kept = item(items, i);
  items[i] = item(items, j);
  items[j] = kept;
}

/** Moves the item at `at` down past greater ones, as far as `from`. */
function insert(items: Items, from: number, at: number, less: Less): void {
  const value = item(items, at);
  let hole = at;
  for (; hole > from && less(value, item(items, hole - 1)); hole--) items[hole] = item(items, hole - 1);
  items[hole] = value;
}

function insertionSort(items: Items, from: number, to: number, less: Less): void {
  for (let i = from + 1; i < to; i++) insert(items, from, i, less);
}

/** Puts the median of three items first. */
function medianFirst(items: Items, first: number, a: number, b: number, c: number, less: Less): void {
  const [x, y, z] = [item(items, a), item(items, b), item(items, c)];
  const middle = less(x, y) ? (less(y, z) ? b : less(x, z) ? c : a) : less(x, z) ? a : less(y, z) ? c : b;
  swap(items, first, middle);
}

/** Parts `[from, to)` around the median of three; where the upper part begins. */
function partition(items: Items, from: number, to: number, less: Less): number {
  medianFirst(items, from, from + 1, from + ((to - from) >> 1), to - 1, less);
  const pivot = item(items, from);
  let [i, j] = [from + 1, to];
  for (;;) {
    while (less(item(items, i), pivot)) i++;
    do j--;
    while (less(pivot, item(items, j)));
    if (i >= j) return i;
    swap(items, i, j);
    i++;
  }
}

/** Lets the value sink from `hole` of the heap `[from, from + length)` to a leaf, then rise to its place. */
function sift(items: Items, from: number, hole: number, length: number, value: number, less: Less): void {
  const top = hole;
  let at = hole;
  let child = at;
  while (child < (length - 1) >> 1) {
    child = 2 * (child + 1);
    if (less(item(items, from + child), item(items, from + child - 1))) child--;
    items[from + at] = item(items, from + child);
    at = child;
  }
  if (length % 2 === 0 && child === (length - 2) >> 1) {
    child = 2 * child + 1;
    items[from + at] = item(items, from + child);
    at = child;
  }
  for (let parent = (at - 1) >> 1; at > top && less(item(items, from + parent), value); parent = (at - 1) >> 1) {
    items[from + at] = item(items, from + parent);
    at = parent;
  }
  items[from + at] = value;
}

/** The least items of `[from, to)` as a heap in `[from, middle)`. */
function heapSelect(items: Items, from: number, middle: number, to: number, less: Less): void {
  const length = middle - from;
  for (let parent = (length - 2) >> 1; parent >= 0; parent--) sift(items, from, parent, length, item(items, from + parent), less);
  for (let i = middle; i < to; i++) {
    if (!less(item(items, i), item(items, from))) continue;
    const value = item(items, i);
    items[i] = item(items, from);
    sift(items, from, 0, length, value, less);
  }
}

/** `std::partial_sort`: the least items in order in `[from, middle)`. */
export function partialSort(items: Items, from: number, middle: number, to: number, less: Less): void {
  heapSelect(items, from, middle, to, less);
  for (let last = middle - 1; last > from; last--) {
    const value = item(items, last);
    items[last] = item(items, from);
    sift(items, from, 0, last - from, value, less);
  }
}

const depthOf = (length: number): number => 2 * (31 - Math.clz32(length));

/** `std::sort`. */
export function introSort(items: Items, from: number, to: number, less: Less): void {
  if (to - from < 2) return;
  const loop = (begin: number, end: number, depth: number): void => {
    let last = end;
    for (let left = depth; last - begin > SHORT; left--) {
      if (left === 0) {
        partialSort(items, begin, last, last, less);
        return;
      }
      const cut = partition(items, begin, last, less);
      loop(cut, last, left - 1);
      last = cut;
    }
  };
  loop(from, to, depthOf(to - from));
  const head = Math.min(from + SHORT, to);
  insertionSort(items, from, head, less);
  // What follows has its place within reach: the first items bound it.
  for (let i = head; i < to; i++) insert(items, from, i, less);
}

/** `std::nth_element`: the item that sorting puts at `nth`, with none greater before and none less after. */
export function introSelect(items: Items, from: number, nth: number, to: number, less: Less): void {
  if (to - from < 2 || nth === to) return;
  let [first, last] = [from, to];
  for (let depth = depthOf(to - from); last - first > 3; depth--) {
    if (depth === 0) {
      heapSelect(items, first, nth + 1, last, less);
      swap(items, first, nth);
      return;
    }
    const cut = partition(items, first, last, less);
    if (cut <= nth) first = cut;
    else last = cut;
  }
  insertionSort(items, first, last, less);
}

/** PyTorch's quickselect (`kthvalue`): the item that sorting puts at `k`. */
export function quickSelect(items: Items, from: number, k: number, to: number, less: Less): void {
  const greater = (i: number, j: number): boolean => less(item(items, j), item(items, i));
  let [low, high] = [from, to - 1];
  while (high > low) {
    if (high === low + 1) {
      if (greater(low, high)) swap(items, low, high);
      return;
    }
    swap(items, low + ((high - low) >> 1), low + 1);
    if (greater(low + 1, high)) swap(items, low + 1, high);
    if (greater(low, high)) swap(items, low, high);
    if (greater(low + 1, low)) swap(items, low + 1, low);
    let [i, j] = [low + 1, high];
    for (;;) {
      do i++;
      while (greater(low, i));
      do j--;
      while (greater(j, low));
      if (j < i) break;
      swap(items, i, j);
    }
    swap(items, low, j);
    const cut = j;
    if (cut <= k) low = i;
    if (cut >= k) high = cut - 1;
  }
}
