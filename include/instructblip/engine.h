/// Many callers, one model: requests are admitted into a batch that is already running.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "instructblip/export.h"
#include "instructblip/generation.h"
#include "instructblip/pipeline.h"

namespace instructblip {

/// Limits of an engine.
struct EngineOptions {
  /// Most hypotheses (requests times their beams) in one batch; nothing: 32 on the processor, 320
  /// on a device, which computes far more in the time in which it reads a weight. A request with
  /// more is decoded alone.
  std::optional<std::size_t> max_rows = {};
  /// Most requests in the queue, including those whose pictures are being resized; one more is
  /// refused.
  std::size_t max_waiting = 256;
  /// Bytes of the pictures of waiting requests, resized, a byte a value: 0.15 MB for one of
  /// 224 x 224 pixels, as much for each frame of a video and each tile. A request that would exceed
  /// this is refused, unless no other pictures wait. Features do not count: their number is the
  /// caller's choice.
  std::int64_t max_waiting_bytes = 1 << 30;
};

/// Counts since the engine was made.
struct EngineStats {
  std::size_t waiting = 0, running = 0;     ///< requests in the queue and in flight
  std::int64_t waiting_bytes = 0;           ///< see EngineOptions::max_waiting_bytes
  std::uint64_t answered = 0, failed = 0;   ///< requests
  std::uint64_t refused = 0;                ///< requests for which the queue had no room
  std::uint64_t passes = 0, pass_rows = 0;  ///< passes of the batch; hypotheses in all of them
};

/// Result of a call: a value or an error.
template <typename Value>
struct Outcome {
  std::optional<Value> value;
  std::optional<Error> error;
};

/// Answers requests as they come, in one thread of its own.
///
/// First come, first served: the oldest waiting request is admitted as soon as its rows fit beside
/// what runs, and no later request overtakes it. Every pass moves every running request by one
/// token; new prompts are read between passes, at most 1,024 positions or one prompt at a time, so
/// that a long queue does not hold up the answers being written. An answer is the one that
/// Pipeline::generate() gives to the request alone, whatever runs beside it, and a request that
/// fails harms no other. Rankings take their turn as requests do, up to 64 candidates at a time in
/// a pass, and pictures are encoded between two passes.
///
/// Each function comes twice: with a future, and with a callback, so that no thread has to wait for
/// it. A callback is called once, on the engine's thread, where it holds up all requests: it should
/// be short, must not destroy the engine, and what it throws is dropped. What a TokenCallback
/// throws is thrown by the future; a callback gets Error(cancelled) for it.
///
/// Threads: every function may be called from any thread at once. In a child that fork() makes each
/// throws Error(unsupported), and a future that the parent has got is never set.
class INSTRUCTBLIP_API Engine {
 public:
  /// May outlive `pipeline`, whose model it shares.
  /// Errors: invalid_argument (options; a pipeline without weights).
  explicit Engine(const Pipeline& pipeline, const EngineOptions& options = {});

  /// Several pipelines of one model answer as one: on a device each, or on processors of their own.
  /// A request goes to the one with the fewest at hand. Each has a thread, so that callbacks of
  /// different requests may be called at once; `options` are the limits of each.
  /// Errors: as above, and invalid_argument (none, or pipelines of different models).
  explicit Engine(std::span<const Pipeline* const> replicas, const EngineOptions& options = {});

  /// Ends what waits and what runs: their responses hold Error(cancelled).
  ~Engine();

  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Queues a request, once its pictures have been resized: by the compute threads, when it is
  /// their turn, or beside a device by threads of the processor.
  /// @param control  callback, deadline and stop token of this request; the callback is called on
  ///                 the engine's thread as above. A stop that is requested while the request waits
  ///                 ends it there.
  /// Errors: busy (the queue is full); cancelled (the engine is ending); else as
  /// Pipeline::generate() for the request.
  std::future<Response> submit(const Request& request, const Control& control = {});
  using OnResponse = std::function<void(Response response)>;
  void submit(const Request& request, const Control& control, OnResponse on_response);

  /// Queues a ranking; it takes up to 64 rows.
  /// Errors: as submit() and Pipeline::rank().
  using Ranked = std::vector<RankedCandidate>;
  std::future<Ranked> rank(const Request& request, std::span<const std::string> candidates,
                           const RankOptions& options = {}, const Control& control = {});
  using OnRanked = std::function<void(Outcome<Ranked> outcome)>;
  void rank(const Request& request, std::span<const std::string> candidates,
            const RankOptions& options, const Control& control, OnRanked on_ranked);

  /// Queues pictures for the vision encoder. Errors: as submit() and Pipeline::encode().
  std::future<ImageFeatures> encode(const Pictures& pictures);
  using OnEncoded = std::function<void(Outcome<ImageFeatures> outcome)>;
  void encode(const Pictures& pictures, OnEncoded on_encoded);

  EngineStats stats() const;

  struct Impl;  ///< internal

 private:
  Impl& impl() const;

  std::unique_ptr<Impl> impl_;
};

}  // namespace instructblip
