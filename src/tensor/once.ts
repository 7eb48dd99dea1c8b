/** What is made or imported once for all; again where that failed, as a network may. */

export function once<X>(make: () => Promise<X>): () => Promise<X> {
  let made: Promise<X> | undefined;
  return () =>
    (made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    }));
}
