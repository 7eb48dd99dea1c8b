/** Memory formats of results over three axes, as PyTorch 2.13 gives them on a processor with oneDNN and several threads. */

import { expect, it } from "vitest";
import { load, Tensor } from "../../src/index.ts";
import { scriptArchive } from "../support/archive.ts";

const code = `class Net(Module):
  __parameters__ = []
  __buffers__ = []
  def forward(self: __torch__.Net, x: Tensor, w: Tensor, groups: int) -> List[Tensor]:
    y = torch.contiguous(x, memory_format=3)
    return [torch.conv3d(y, w, None, [1, 1, 1], [0, 0, 0], [1, 1, 1], groups), torch.max_pool3d(y, [2, 2, 2]), torch.avg_pool3d(y, [2, 2, 2]), torch.adaptive_avg_pool3d(y, [2, 2, 2]), torch.adaptive_max_pool3d(y, [3, 2, 2])[0]]
`;

it("keeps channels last where PyTorch does", async () => {
  const session = await (await load(scriptArchive(code, {}))).session();
  const lastOf = async (x: readonly number[], w: readonly number[], groups = 1, dtype: "float32" | "float64" = "float32"): Promise<boolean[]> =>
    ((await session.forward(Tensor.zeros(x, dtype), Tensor.zeros(w, dtype), groups)) as Tensor[]).map(({ strides }) => strides[1] === 1);
  const [, ...pools] = await lastOf([2, 3, 4, 6, 5], [5, 3, 3, 3, 3]);
  expect(pools).toEqual([true, false, false, false]);
  const convolved = [
    await lastOf([2, 3, 4, 6, 5], [5, 3, 3, 3, 3]),
    await lastOf([1, 3, 4, 6, 5], [5, 3, 3, 3, 3]),
    await lastOf([1, 3, 40, 200, 5], [5, 3, 3, 3, 3]),
    await lastOf([1, 3, 12, 12, 12], [5, 3, 5, 5, 5]),
    await lastOf([1, 4, 4, 6, 5], [4, 2, 2, 2, 2], 2),
    await lastOf([2, 3, 4, 6, 5], [5, 3, 3, 3, 3], 1, "float64"),
  ];
  expect(convolved.map(([conv]) => conv)).toEqual([true, false, true, true, true, false]);
});
