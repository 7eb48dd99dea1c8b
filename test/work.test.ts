import { expect, it } from "vitest";
import { load, Tensor } from "../src/index.ts";
import { scriptArchive } from "./support/archive.ts";

async function run(line: string, maxWork: number): Promise<void> {
  const model = await load(scriptArchive(`class Net(Module):\n  def forward(self: __torch__.Net, x: Tensor) -> Tensor:\n    return ${line}\n`));
  using session = await model.session();
  await session.call("forward", [Tensor.zeros([4, 4])], {}, { maxWork });
}

it("counts the elements that calls visit, products included", async () => {
  await expect(run("torch.neg(x)", 16)).resolves.toBeUndefined();
  await expect(run("torch.neg(x)", 15)).rejects.toMatchObject({ code: "step-limit" });
  await expect(run("torch.matmul(x, x)", 60)).rejects.toMatchObject({ code: "step-limit" });
  await expect(run("torch.matmul(x, x)", 1000)).resolves.toBeUndefined();
});

it("counts what a view of stride 0 shows, not what it holds", async () => {
  await expect(run("torch.sum(torch.expand(x, [1000, 4, 4]))", 15_999)).rejects.toMatchObject({ code: "step-limit" });
  await expect(run("torch.sum(torch.expand(x, [1000, 4, 4]))", 20_000)).resolves.toBeUndefined();
});
