/// Why a dump could not be read on from some point.
public struct WikiDumpBreak: Sendable {
  public enum Kind: String, Sendable {
    /// The dump, or the stream that holds it, ends in its middle.
    case truncated = "truncated-dump"
    /// The XML or the compressed stream is damaged; reading goes on at the next page that can be found.
    case damaged = "damaged-dump"
  }

  public var kind: Kind
  public var message: String
  /// Whether a page was being read; it is lost, and `page` holds what was known of it.
  public var isInsidePage: Bool
}
