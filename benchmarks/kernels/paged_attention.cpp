// Attention over pages: a step of decode with one hypothesis, with five that have nothing of their
// tails in common, and with five of one text; and a prompt.
#include "kernels/paged_attention.h"

#include <memory>
#include <numeric>
#include <set>

#include "benchmarks/kernels/each_kernel.h"

namespace instructblip::kernels::benchmarks {
namespace {

// What stands before the rows: texts that have nothing in common behind the shared positions, one
// text of which each row has its own last words, or the rows of a prompt before them.
enum class Past { own_texts, one_text, prompt };

struct Data {
  PagedAttentionProblem problem;
  Past past;
  std::vector<float> queries, pages, out;
  std::vector<const float*> keys, values;
  std::vector<std::int32_t> shared, lengths, tail;

  void run(const PagedAttentionKernel& kernel, float* to) const {
    SerialQueue queue;
    kernel.run(problem,
               {queries.data(), keys.data(), values.data(), shared.data(),
                past == Past::prompt ? lengths.data() : nullptr, tail.data(), nullptr, to},
               queue);
  }
};

// The slots of the tails, which a search takes row after row at each position.
std::vector<std::int32_t> tails(const PagedAttentionProblem& p, Past past) {
  const std::int64_t own = past == Past::one_text ? 8 : p.tail;  // last words
  std::vector<std::int32_t> slots;
  for (std::int64_t row = 0; row < p.rows; ++row) {
    for (std::int64_t t = 0; t < p.tail; ++t) {
      const std::int64_t from = t + own < p.tail ? 0 : row;
      slots.push_back(static_cast<std::int32_t>(p.shared + t * p.rows + from));
    }
  }
  return slots;
}

Case<PagedAttentionKernel> make(const PagedAttentionProblem& p, Past past) {
  const auto data = std::make_shared<Data>();
  data->problem = p;
  data->past = past;
  data->queries = random_numbers(p.rows * p.query_heads * p.width);
  data->out.resize(data->queries.size());
  const std::int64_t slots = p.shared + p.rows * p.tail;
  const std::int64_t pages = (slots + p.page_positions - 1) / p.page_positions;
  const std::int64_t size = p.key_heads * p.page_positions * p.width;
  data->pages = random_numbers(2 * pages * size);
  for (std::int64_t i = 0; i < pages; ++i) {
    data->keys.push_back(data->pages.data() + 2 * i * size);
    data->values.push_back(data->pages.data() + (2 * i + 1) * size);
  }
  data->shared.resize(static_cast<std::size_t>(p.shared));
  std::iota(data->shared.begin(), data->shared.end(), 0);
  data->tail = tails(p, past);
  data->lengths.resize(static_cast<std::size_t>(p.rows));
  std::iota(data->lengths.begin(), data->lengths.end(), 1);  // a prompt: each sees one more
  const double pairs = past == Past::prompt ? static_cast<double>(p.rows * (p.rows + 1)) / 2
                                            : static_cast<double>(p.rows * (p.shared + p.tail));
  const std::set<std::int32_t> distinct(data->tail.begin(), data->tail.end());
  const std::int64_t read = 2 * (p.shared + std::ssize(distinct)) * p.key_heads * p.width;
  return {
      .name = {},
      .work = {static_cast<double>(read) * sizeof(float),
               4 * pairs * static_cast<double>(p.query_heads * p.width)},
      .run = [data](const PagedAttentionKernel& kernel) { data->run(kernel, data->out.data()); },
      .is_right =
          [data] {
            std::vector<float> want(data->out.size());
            data->run(paged_attention_kernels().back(), want.data());
            return is_close(data->out, want);
          }};
}

void add(const std::string& name, const PagedAttentionProblem& problem, Past past) {
  register_each(paged_attention_kernels(), problem, name,
                [past](const PagedAttentionProblem& p) { return make(p, past); });
}

}  // namespace

void register_paged_attention() {
  const PagedAttentionProblem llama{.query_heads = 32,
                                    .key_heads = 32,
                                    .width = 128,
                                    .page_positions = 16,
                                    .divisor = 11.3137085f};
  for (const std::int64_t rows : {1, 5}) {
    PagedAttentionProblem step = llama;
    step.rows = rows;
    step.shared = 150;
    step.tail = 50;
    add("decode/llama_7b/150+50/" + std::to_string(rows), step, Past::own_texts);
    step.width = 64;
    step.divisor = 1.0f;
    add("decode/t5_xl/150+50/" + std::to_string(rows), step, Past::own_texts);
    step.shared = 64;
    step.tail = 450;
    add("decode/t5_xl/64+450_of_one_text/" + std::to_string(rows), step, Past::one_text);
    step = llama;
    step.rows = rows;
    step.shared = 2900;
    step.tail = 50;
    add("decode/llama_7b/2900+50_of_one_text/" + std::to_string(rows), step, Past::one_text);
  }
  PagedAttentionProblem prompt = llama;
  prompt.rows = prompt.shared = 256;
  add("prompt/llama_7b/256", prompt, Past::prompt);
}

}  // namespace instructblip::kernels::benchmarks
