// ldmatrix and mma.sync.
#include <array>
#include <cstring>

#include "kernels/cuda/emulator/meeting.h"
#include "kernels/cuda/emulator/primitives.h"

namespace instructblip::emulator {
namespace {

struct LoadOperand {
  std::uint16_t row[8];
  std::uint32_t offset;
  std::uint32_t* to;
  bool transposed;
};

void deal(Warp& /*warp*/, Meeting& meeting) {
  std::array<LoadOperand*, 32> lanes;
  for (std::size_t l = 0; l < 32; ++l) lanes[l] = static_cast<LoadOperand*>(meeting.operands[l]);
  for (std::size_t m = 0; m < 4; ++m) {
    // Eight rows of 16 bytes come in one access if they lie in different banks.
    std::uint32_t seen = 0;
    for (std::size_t r = 0; r < 8; ++r) {
      const std::uint32_t banks = 1u << (lanes[8 * m + r]->offset / 16 % 8);
      if ((seen & banks) != 0) ++engine().bank_conflicts;
      seen |= banks;
    }
    for (std::size_t l = 0; l < 32; ++l) {
      const std::size_t row = l / 4, column = l % 4 * 2;
      std::uint16_t two[2];
      for (std::size_t i = 0; i < 2; ++i) {
        two[i] = lanes[l]->transposed ? lanes[8 * m + column + i]->row[row]
                                      : lanes[8 * m + row]->row[column + i];
      }
      std::memcpy(lanes[l]->to + m, two, sizeof two);
    }
  }
}

}  // namespace

void load_matrices(std::uint32_t offset, std::uint32_t (&to)[4], bool transposed,
                   const Site& where) {
  LoadOperand operand{{}, offset, to, transposed};
  read_shared(offset, 16, operand.row, false, where);
  meet(transposed ? "ldmatrix.trans" : "ldmatrix", ~0u, &operand, deal, where);
}

void multiply_matrices(const Product& product, const Site& where) {
  Product operand = product;
  meet(
      "mma.sync", ~0u, &operand,
      [](Warp&, Meeting& meeting) { multiply_all(meeting.operands.data()); }, where);
}

}  // namespace instructblip::emulator
