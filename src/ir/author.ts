/** Lines of the author's own source. */

export interface AuthorPlace {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** The line's text, where the model holds it. */
  readonly text?: string | undefined;
  readonly function?: string | undefined;
}

/** A file of PyTorch itself. */
const TORCH_FILE = /(?:^|[/\\])(?:site-packages|dist-packages)[/\\]torch[/\\]|^torch[/\\]/;

/** Whether a source file is PyTorch's own. */
export function isTorchFile(file: string): boolean {
  return TORCH_FILE.test(file);
}

/** The innermost place (they stand innermost first) that is not inside PyTorch, else the innermost. */
export function ownPlace<P extends Pick<AuthorPlace, "file">>(places: readonly P[]): P | undefined {
  return places.find((place) => !isTorchFile(place.file)) ?? places[0];
}
