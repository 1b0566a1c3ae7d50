import CKernels
import CSimdJSON
import Glibc

/// The instruction sets that this process uses, chosen for its processor. Results are the same with all of them.
public enum VectorCode {
  /// The variable that asks for less than the processor has.
  public static let variable = "PIPELINE_SIMD"
  public static let values = ["portable", "avx2"]

  /// What near-duplicate search uses: "AVX-512", "AVX2" or "portable".
  public static var kernels: String {
    switch pl_simd_widest() {
    case PL_SIMD_AVX512: "AVX-512"
    case PL_SIMD_AVX2: "AVX2"
    default: "portable"
    }
  }

  /// simdjson's name of the code that reads JSON: "icelake", "haswell", "westmere", "arm64" or "fallback".
  public static var json: String { String(cString: pl_json_implementation()) }

  /// The variable's value if it is none of `values`.
  public static var unknownRequest: String? {
    guard let value = getenv(variable).map({ String(cString: $0) }), !value.isEmpty else { return nil }
    return values.contains(value) ? nil : value
  }
}
