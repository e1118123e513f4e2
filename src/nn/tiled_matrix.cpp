#include "nn/tiled_matrix.h"

#include <ATen/ops/bitwise_and.h>
#include <ATen/ops/bitwise_right_shift.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mul.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "kernels/cuda/weight_tiles.h"

namespace instructblip::nn {
namespace {

namespace cuda = kernels::cuda;

constexpr std::int64_t kHalf = cuda::kRowsOfTile / 2;  // rows of a tile's half

std::int64_t rows_of(const std::vector<at::Tensor>& blocks) {
  std::int64_t rows = 0;
  for (const at::Tensor& block : blocks) rows += block.size(0);
  return rows;
}

std::int64_t tiles_of(std::int64_t rows) {
  return (rows + cuda::kRowsOfTile - 1) / cuda::kRowsOfTile;
}

// Panels of a matrix whose rows lie one after the other.
class Panels {
 public:
  Panels(const Runtime& runtime, Format format, const at::Tensor& values)
      : format_(format),
        rows_(values.size(0)),
        columns_(values.size(1)),
        panel_bytes_(kernels::bytes_of_panel(format, columns_)),
        bytes_(static_cast<std::size_t>(kernels::panels_of(rows_)) * panel_bytes_) {
    const float* const from = values.const_data_ptr<float>();
    runtime.queue().run(kernels::panels_of(rows_), 4, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t panel = first; panel < last; ++panel) {
        const std::int64_t row = panel * kernels::kRowsOfPanel;
        kernels::pack_panel(
            format_,
            {from + row * columns_, std::min(kernels::kRowsOfPanel, rows_ - row), columns_},
            bytes_.data() + static_cast<std::size_t>(panel) * panel_bytes_);
      }
    });
  }

  // Rows of a number of eight; none behind the last row.
  cuda::HalfPanel half(std::int64_t number) const {
    if (number * kHalf >= rows_) return {nullptr, 0};
    return cuda::half_panel(format_, bytes_.data(), columns_, number);
  }

 private:
  Format format_;
  std::int64_t rows_, columns_;
  std::size_t panel_bytes_;
  std::vector<std::byte> bytes_;
};

cuda::Halves halves_of(const Pairing& pairing, std::int64_t tile, std::int64_t tiles) {
  switch (pairing.kind) {
    case Pairing::Kind::gate:
      return {tile, tiles + tile};
    case Pairing::Kind::heads:
      return cuda::halves_of_heads(tile, pairing.width);
    case Pairing::Kind::none:
      break;
  }
  return cuda::plain_halves(tile);
}

// A dimension of several numbers in place of the last one.
at::Tensor split_last(const at::Tensor& x, std::vector<std::int64_t> sizes) {
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.pop_back();
  shape.insert(shape.end(), sizes.begin(), sizes.end());
  return x.view(shape);
}

}  // namespace

Pairing Pairing::fitted(const std::vector<at::Tensor>& blocks) const {
  const auto all = [&](std::int64_t multiple) {
    return std::ranges::all_of(
        blocks, [&](const at::Tensor& block) { return block.size(0) % multiple == 0; });
  };
  const bool gates = kind == Kind::gate && blocks.size() == 2 && all(kHalf) &&
                     blocks[0].size(0) == blocks[1].size(0);
  const bool has_heads =
      kind == Kind::heads && width > 0 && width % cuda::kRowsOfTile == 0 && all(width);
  return gates || has_heads ? *this : Pairing{};
}

std::int64_t tiled_bytes(Format format, std::int64_t rows, std::int64_t columns) {
  return tiles_of(rows) *
         static_cast<std::int64_t>(cuda::bytes_of_tile(format, static_cast<std::int32_t>(columns)));
}

TiledMatrix::TiledMatrix(const Runtime& runtime, Format format, Pairing pairing,
                         std::vector<at::Tensor> blocks)
    : format_(format),
      pairing_(pairing.fitted(blocks)),
      rows_(rows_of(blocks)),
      columns_(blocks.front().size(1)) {
  const Panels panels(runtime, format,
                      blocks.size() == 1 ? blocks.front().contiguous() : at::cat(blocks));
  const std::int64_t tiles = tiles_of(rows_);
  const auto inputs = static_cast<std::int32_t>(columns_);
  const auto tile_bytes = static_cast<std::int64_t>(cuda::bytes_of_tile(format, inputs));
  const at::Tensor packed = at::empty({tiles, tile_bytes}, host(at::kByte));
  auto* const to = static_cast<std::byte*>(packed.mutable_data_ptr());
  runtime.queue().run(tiles, 4, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t tile = first; tile < last; ++tile) {
      const cuda::Halves halves = halves_of(pairing_, tile, tiles);
      cuda::pack_tile(format, inputs, panels.half(halves.upper), panels.half(halves.lower),
                      to + tile * tile_bytes);
    }
  });
  tiles_ = runtime.upload(packed);
}

TiledMatrix::Order TiledMatrix::order_of(std::int64_t tiles) const {
  switch (pairing_.kind) {
    case Pairing::Kind::gate:
      return {1, tiles};
    case Pairing::Kind::heads: {
      const std::int64_t of_head = pairing_.width / cuda::kRowsOfTile;
      return {tiles / of_head, of_head};
    }
    case Pairing::Kind::none:
      break;
  }
  return {tiles, 1};
}

bool TiledMatrix::has_tiles_of(std::int64_t first, std::int64_t count) const {
  switch (pairing_.kind) {
    case Pairing::Kind::gate:
      return first == 0 && count == rows_;
    case Pairing::Kind::heads:
      return first % pairing_.width == 0 && count % pairing_.width == 0;
    case Pairing::Kind::none:
      break;
  }
  return first % cuda::kRowsOfTile == 0;
}

const void* TiledMatrix::tile_of(std::int64_t row) const {
  return static_cast<const std::byte*>(tiles_.const_data_ptr()) +
         row / cuda::kRowsOfTile * tiles_.size(1);
}

at::Tensor TiledMatrix::in_order(const at::Tensor& outputs) const {
  if (pairing_.kind == Pairing::Kind::none) return outputs;
  const Order order = order_of(outputs.size(-1) / cuda::kRowsOfTile);
  return split_last(outputs, {order.outer, order.inner, 2, kHalf})
      .transpose(-3, -2)
      .reshape(outputs.sizes());
}

at::Tensor TiledMatrix::values(at::ScalarType type) const {
  const at::Tensor all = format_ == Format::w8 ? values_of_bytes(type) : values_of_nibbles(type);
  return all.narrow(0, 0, rows_).narrow(1, 0, columns_);
}

// The dimensions of what is read are those that weight_tiles.h names, in the order of the result:
// outer, inner and half of a tile, its row, then what makes up the number of an input.
at::Tensor TiledMatrix::values_of_bytes(at::ScalarType type) const {
  const Order order = order_of(tiles_.size(0));
  const std::int64_t a = order.outer, b = order.inner;
  const std::int64_t units = cuda::units_of(format_, static_cast<std::int32_t>(columns_));
  const at::Tensor scales =
      tiles_.narrow(1, 0, 64).view(at::kFloat).view({a, b, 2, kHalf, 1, 1, 1, 1});
  const at::Tensor weights = tiles_.narrow(1, 128, units * 1024)
                                 .view(at::kChar)
                                 .view({a, b, units, 2, kHalf, 4, 2, 8})  // ..., t, j / 8, j % 8
                                 .permute({0, 1, 3, 4, 2, 6, 5, 7});
  const at::Tensor result =
      at::empty({a, 2, b, kHalf, units, 2, 4, 8}, tiles_.options().dtype(type));
  at::Tensor in_tiles = result.transpose(1, 2);
  at::mul_out(in_tiles, weights, scales);
  return result.view({-1, units * cuda::inputs_of_unit(format_)});
}

at::Tensor TiledMatrix::values_of_nibbles(at::ScalarType type) const {
  const Order order = order_of(tiles_.size(0));
  const std::int64_t a = order.outer, b = order.inner;
  const std::int64_t units = cuda::units_of(format_, static_cast<std::int32_t>(columns_));
  const at::Tensor by_unit = tiles_.view({a, b, units, cuda::bytes_of_unit(format_)});
  const at::Tensor scales = by_unit.narrow(3, 1024, 128)
                                .view(at::kHalf)
                                .view({a, b, units, kHalf, 2, 4})  // row, half, block i
                                .permute({0, 1, 4, 3, 2, 5})
                                .to(at::kFloat)
                                .view({a, b, 2, kHalf, units, 4, 1, 1, 1});
  // The words of four blocks, byte by byte: the bits from 8 n on are inputs 4 (n % 2) + n / 2, and
  // the next four those two behind them.
  const at::Tensor bytes = split_last(by_unit.narrow(3, 0, 1024), {2, kHalf, 4, 4, 2, 2})
                               .permute({0, 1, 3, 4, 2, 6, 5, 8, 7});
  const at::Tensor result =
      at::empty({a, 2, b, kHalf, units, 4, 4, 2, 2, 2}, tiles_.options().dtype(type));
  for (const std::int64_t upper : {0, 1}) {
    at::Tensor bits = upper == 1 ? at::bitwise_right_shift(bytes, 4) : at::bitwise_and(bytes, 15);
    bits.sub_(8);  // modulo 256: as signed bytes, from -8 to 7
    at::Tensor in_tiles = result.select(8, upper).transpose(1, 2);
    at::mul_out(in_tiles, bits.view(at::kChar), scales);
  }
  return result.view({-1, units * cuda::inputs_of_unit(format_)});
}

}  // namespace instructblip::nn
