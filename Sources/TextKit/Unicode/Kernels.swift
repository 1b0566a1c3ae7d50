import CKernels

enum Kernels {
  /// The instruction set that kernels use here.
  static let level = pl_simd_widest()
}
