/// Why a dump could not be read on from some point.
public struct WikiDumpBreak {
  public enum Kind: String, Sendable {
    /// The dump, or the stream that holds it, ends in its middle.
    case truncated = "truncated-dump"
    /// The XML or the compressed stream is damaged; reading resumes at the next page that can be found.
    case damaged = "damaged-dump"
  }

  public var kind: Kind
  public var message: String
  /// What was read of the page that is lost; nil between pages.
  public var page: WikiDumpPage?
}
