// Micro-benchmarks of the engine's inner loops.
//
//   micro_bench [Google Benchmark's flags]   times
//   micro_bench --list                       the kernels that bench/instructions counts, and their
//   items micro_bench --rounds NAME N              N rounds of one, and nothing else
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

#include "bench/micro/kernels.h"

namespace crossfade::bench {
namespace {

using MakeKernel = Kernel (*)();
constexpr MakeKernel kKernels[] = {
    row_digest_kernel, copy_encoder_kernel,     change_log_kernel,       pgoutput_kernel,
    queue_kernel,      canonical_source_kernel, canonical_target_kernel, evidence_kernel};

int run_rounds(std::string_view name, int rounds) {
  for (const MakeKernel make : kKernels) {
    const Kernel kernel = make();
    if (kernel.name != name) continue;
    for (int i = 0; i < rounds; ++i) kernel.round();
    return 0;
  }
  std::fprintf(stderr, "micro_bench: no kernel has that name\n");
  return 2;
}

void list() {
  for (const MakeKernel make : kKernels) {
    const Kernel kernel = make();
    if (!kernel.counted) continue;
    std::printf("%s %zu %s\n", kernel.name.c_str(), kernel.items, kernel.unit.c_str());
  }
}

int run(int argc, char** argv) {
  const std::string_view first = argc > 1 ? argv[1] : "";
  if (first == "--list") {
    list();
    return 0;
  }
  if (first == "--rounds" && argc == 4) return run_rounds(argv[2], std::atoi(argv[3]));
  for (const MakeKernel make : kKernels) {
    const Kernel kernel = make();
    benchmark::RegisterBenchmark(kernel.name.c_str(), [kernel](benchmark::State& state) {
      for (auto _ : state) kernel.round();
      state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kernel.items));
      state.SetLabel(kernel.unit);
    })->UseRealTime();
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

}  // namespace
}  // namespace crossfade::bench

int main(int argc, char** argv) {
  try {
    return crossfade::bench::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "micro_bench: %s\n", error.what());
    return 1;
  }
}
