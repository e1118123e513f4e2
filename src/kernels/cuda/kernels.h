// What the kernels of a CUDA device have in common, and its tables of them. Rows are of half
// precision there, and lie in its memory.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "kernels/cuda/attention.h"
#include "kernels/cuda/kv_append.h"
#include "kernels/cuda/next_rows.h"
#include "kernels/cuda/paged_attention.h"
#include "kernels/cuda/pixels.h"
#include "kernels/cuda/qformer_layer.h"
#include "kernels/cuda/row_summaries.h"
#include "kernels/cuda/rows.h"
#include "kernels/cuda/stream.h"
#include "kernels/cuda/tiled_product.h"
#include "kernels/machine.h"
#include "kernels/registry.h"

namespace instructblip::kernels::cuda {

// A contract is a header beside this one. `supports` looks at sizes; launches go into a stream in
// the order of their calls.
template <class Contract>
struct Kernel {
  using Problem = typename Contract::Problem;
  using Buffers = typename Contract::Buffers;
  static constexpr std::string_view kOperation = Contract::kOperation;

  std::string_view name;
  Traits traits;
  Support (*supports)(const Problem&, const Machine&);
  int (*launch)(const Problem&, const Buffers&, void* stream, bool overlaps_previous);

  void run(const Problem& problem, const Buffers& buffers, Stream& stream) const {
    stream.launch(kOperation, [launcher = launch, problem, buffers](void* to, bool overlaps) {
      return launcher(problem, buffers, to, overlaps);
    });
  }
};

struct Attention {
  static constexpr std::string_view kOperation = "attention";
  using Problem = AttentionProblem;
  using Buffers = AttentionBuffers;
};
struct PagedAttention {
  static constexpr std::string_view kOperation = "paged_attention";
  using Problem = PagedAttentionProblem;
  using Buffers = PagedAttentionBuffers;
};
struct KvAppend {
  static constexpr std::string_view kOperation = "kv_append";
  struct Problem : KvAppendProblem {
    bool turned = false;  // with cosines and sines
  };
  using Buffers = KvAppendBuffers;
};
struct NextRows {
  static constexpr std::string_view kOperation = "next_rows";
  using Problem = NextRowsProblem;
  using Buffers = NextRowsBuffers;
};
struct Norm {
  static constexpr std::string_view kOperation = "norm";
  using Problem = NormProblem;
  using Buffers = NormBuffers;
};
struct Activate {
  static constexpr std::string_view kOperation = "activation";
  using Problem = ActivationProblem;
  using Buffers = ActivationBuffers;
};
struct PixelValues {
  static constexpr std::string_view kOperation = "pixel_values";
  using Problem = PixelValuesProblem;
  using Buffers = PixelValuesBuffers;
};
struct Product {
  static constexpr std::string_view kOperation = "product";
  using Problem = TiledProductProblem;
  using Buffers = TiledProductBuffers;
};
struct QFormerLayer {
  static constexpr std::string_view kOperation = "qformer_layer";
  using Problem = QFormerLayerProblem;
  struct Buffers : QFormerLayerBuffers {
    QFormerLayerWeights weights;
  };
};
struct RowSummary {
  static constexpr std::string_view kOperation = "row_summary";
  using Problem = RowSummaryProblem;
  using Buffers = RowSummaryBuffers;
};

// One table for each operation, best first; none where the device has no kernel of it, or none that
// takes a problem: the operation is an ATen composition then.
struct Tables {
  std::span<const Kernel<Attention>> attention = {};
  std::span<const Kernel<PagedAttention>> paged_attention = {};
  std::span<const Kernel<KvAppend>> kv_append = {};
  std::span<const Kernel<NextRows>> next_rows = {};
  std::span<const Kernel<Norm>> norm = {};
  std::span<const Kernel<Activate>> activation = {};
  std::span<const Kernel<PixelValues>> pixel_values = {};
  std::span<const Kernel<Product>> product = {};
  std::span<const Kernel<QFormerLayer>> qformer_layer = {};
  std::span<const Kernel<RowSummary>> row_summary = {};
  // Floats that paged attention works in.
  std::size_t (*paged_attention_workspace)(const PagedAttentionProblem&) = nullptr;
  // Bytes that a layer of a Q-Former works in.
  std::size_t (*qformer_layer_workspace)(const QFormerLayerProblem&) = nullptr;
  // Words that row summaries are made in.
  std::size_t (*row_summary_workspace)(const RowSummaryProblem&) = nullptr;
};

// Those of this folder. Defined in tables.cpp, which belongs to what the kernels are compiled into:
// our part for CUDA, or, for the emulator, tests.
const Tables& tables();

// An entry of these tables as it can be listed and forced where the kernels are not.
struct Listed {
  std::string_view operation, purpose, kernel;
  Traits traits;
  int capability;         // what the device has to have, 80 for 8.0
  bool this_one = false;  // and no higher one
};

// Every entry, in the order of its table; tables of one operation stand together.
std::span<const Listed> listed();

}  // namespace instructblip::kernels::cuda
