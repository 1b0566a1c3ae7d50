/// Which branch of a parser function is taken.
enum WikiBranch: Sendable {
  /// The first if the condition is not empty: `#if`.
  case filled
  /// The first if two texts are equal: `#ifeq`.
  case equal
  /// The one under the value: `#switch`.
  case choice
  /// The second, as what is not known to be an error is none: `#iferror`.
  case valid
}
