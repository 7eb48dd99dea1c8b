/** Syntax trees of the TorchScript code language. Positions are UTF-16 offsets into the record's text. */

export interface At {
  readonly start: number;
  readonly end: number;
  /** Levels of expression below and with this one; bounded by the parser. */
  readonly depth: number;
}

export type BinaryOp = "+" | "-" | "*" | "/" | "//" | "%" | "**" | "@" | "&" | "|" | "^" | "<<" | ">>";
export type CompareOp = "==" | "!=" | "<" | "<=" | ">" | ">=" | "is" | "is not" | "in" | "not in";

export type Expr = At &
  (
    | { readonly kind: "int"; readonly value: bigint }
    | { readonly kind: "float"; readonly value: number }
    | { readonly kind: "imaginary"; readonly value: number }
    | { readonly kind: "str"; readonly value: string }
    | { readonly kind: "bool"; readonly value: boolean }
    | { readonly kind: "none" }
    | { readonly kind: "dots" }
    | { readonly kind: "name"; readonly name: string }
    | { readonly kind: "attr"; readonly base: Expr; readonly name: string }
    | { readonly kind: "call"; readonly callee: Expr; readonly args: readonly Expr[]; readonly kwargs: readonly Keyword[] }
    | { readonly kind: "star"; readonly value: Expr }
    | { readonly kind: "subscript"; readonly base: Expr; readonly indices: readonly Expr[] }
    | { readonly kind: "slice"; readonly from?: Expr | undefined; readonly to?: Expr | undefined; readonly step?: Expr | undefined }
    | { readonly kind: "list" | "tuple"; readonly items: readonly Expr[] }
    | { readonly kind: "dict"; readonly keys: readonly Expr[]; readonly values: readonly Expr[] }
    | { readonly kind: "unary"; readonly op: "-" | "+" | "~" | "not"; readonly value: Expr }
    | { readonly kind: "binary"; readonly op: BinaryOp; readonly left: Expr; readonly right: Expr }
    | { readonly kind: "compare"; readonly op: CompareOp; readonly left: Expr; readonly right: Expr }
    | { readonly kind: "logical"; readonly op: "and" | "or"; readonly left: Expr; readonly right: Expr }
    | { readonly kind: "ternary"; readonly test: Expr; readonly then: Expr; readonly otherwise: Expr }
    | { readonly kind: "comprehension"; readonly item: Expr; readonly target: Expr; readonly iterable: Expr }
  );
export type ExprOf<K extends Expr["kind"]> = Extract<Expr, { readonly kind: K }>;

export interface Keyword {
  readonly name: string;
  readonly value: Expr;
}

export type Stmt = { readonly start: number; readonly end: number } & (
  | { readonly kind: "assign"; readonly targets: readonly Expr[]; readonly type?: Expr | undefined; readonly value: Expr }
  | { readonly kind: "augment"; readonly target: Expr; readonly op: BinaryOp; readonly value: Expr }
  | { readonly kind: "declare"; readonly name: string; readonly type: Expr }
  | { readonly kind: "expr"; readonly value: Expr }
  | { readonly kind: "if"; readonly test: Expr; readonly then: readonly Stmt[]; readonly otherwise: readonly Stmt[] }
  | { readonly kind: "while"; readonly test: Expr; readonly body: readonly Stmt[] }
  | { readonly kind: "for"; readonly target: Expr; readonly iterable: Expr; readonly body: readonly Stmt[] }
  | { readonly kind: "with"; readonly items: readonly { readonly context: Expr; readonly target?: string | undefined }[]; readonly body: readonly Stmt[] }
  | { readonly kind: "def"; readonly def: FunctionDef }
  | { readonly kind: "return"; readonly value?: Expr | undefined }
  | { readonly kind: "raise"; readonly value: Expr }
  | { readonly kind: "assert"; readonly test: Expr; readonly message?: Expr | undefined }
  | { readonly kind: "delete"; readonly targets: readonly Expr[] }
  | { readonly kind: "pass" | "break" | "continue" }
);
export type StmtOf<K extends Stmt["kind"]> = Extract<Stmt, { readonly kind: K }>;

export interface ParamDef {
  readonly name: string;
  readonly type?: Expr | undefined;
  readonly value?: Expr | undefined;
  readonly kwargOnly: boolean;
  readonly start: number;
  readonly end: number;
}

export interface FunctionDef {
  readonly name: string;
  readonly params: readonly ParamDef[];
  readonly returns?: Expr | undefined;
  readonly body: readonly Stmt[];
  readonly start: number;
  readonly end: number;
}

export interface ClassDef {
  readonly name: string;
  readonly base?: string | undefined;
  /** Methods among them, as `def`. */
  readonly members: readonly Stmt[];
  readonly start: number;
  readonly end: number;
}

/** A file's definitions. Whoever is done with one takes it out. */
export interface FileAst {
  readonly classes: Map<string, ClassDef>;
  readonly functions: Map<string, FunctionDef>;
}
