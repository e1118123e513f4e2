// The engine behind the public class.
#pragma once

#include <memory>

#include "api/backend.h"
#include "pipeline/model_parts.h"

namespace instructblip {

// Starts its thread. Errors: as Engine's constructor.
std::unique_ptr<Engine::Impl> run_engine(std::shared_ptr<const ModelParts> model,
                                         const EngineOptions& options);

}  // namespace instructblip
