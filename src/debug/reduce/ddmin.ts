/** Delta debugging (Zeller's ddmin): a smallest set that still does it, where members may act together and nothing is monotone. */

export interface DdminOptions {
  /** Tests at most; what has been found by then is given. */
  readonly maxTests?: number | undefined;
}

export interface Ddmin<M> {
  readonly members: readonly M[];
  readonly tests: number;
  /** Whether the limit on tests ended the search. */
  readonly stopped: boolean;
}

/** A subset of `all`, no single member of which can be left out, for which `holds` is true. `holds(all)` is taken for granted. */
export async function ddmin<M>(all: readonly M[], holds: (members: readonly M[]) => Promise<boolean>, options: DdminOptions = {}): Promise<Ddmin<M>> {
  const most = options.maxTests ?? 2000;
  const known = new Map<string, boolean>();
  const numbers = new Map(all.map((m, i) => [m, i] as const));
  let tests = 0;
  const limit = { stopped: false };
  const test = async (members: readonly M[]): Promise<boolean> => {
    const key = members.map((m) => numbers.get(m)).join();
    const before = known.get(key);
    if (before !== undefined) return before;
    if (tests >= most) {
      limit.stopped = true;
      return false;
    }
    tests++;
    const result = await holds(members);
    known.set(key, result);
    return result;
  };
  let current = [...all];
  let parts = 2;
  while (current.length > 1 && !limit.stopped) {
    const size = Math.ceil(current.length / parts);
    const chunks = Array.from({ length: Math.ceil(current.length / size) }, (_, i) => current.slice(i * size, (i + 1) * size));
    let next: M[] | undefined;
    for (const chunk of chunks) {
      if (chunks.length > 1 && (await test(chunk))) {
        [next, parts] = [chunk, 2];
        break;
      }
    }
    if (next === undefined && parts > 2) {
      for (const chunk of chunks) {
        const rest = current.filter((m) => !chunk.includes(m));
        if (rest.length > 0 && (await test(rest))) {
          [next, parts] = [rest, Math.max(parts - 1, 2)];
          break;
        }
      }
    }
    if (next !== undefined) current = next;
    else if (parts >= current.length) break;
    else parts = Math.min(current.length, parts * 2);
  }
  if (current.length === 1 && (await test([]))) current = [];
  return { members: current, tests, stopped: limit.stopped };
}
