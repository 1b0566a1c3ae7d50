/// The state of a URL: its requests, their times and results.
public struct Visit: Equatable, Sendable {
  public enum State: String, Sendable {
    case pending
    /// Its content is stored.
    case done
    /// The server responded that it does not exist (404, 410).
    case gone
    /// Its listing no longer contains it.
    case disappeared
    /// Another response, or none; it is requested again.
    case failed
    /// robots.txt or a rule of the client does not allow the request.
    case refused
  }

  public var url: String
  /// The kind of the URL, defined by the crawling stage.
  public var kind: String
  public var state = State.pending
  /// The version in the listing: while it stays the same, the URL is not requested again.
  public var version: String?
  public var status: Int?
  public var validators = Validators()
  /// SHA-256 of the stored content, and of the content before.
  public var digest: String?
  public var previousDigest: String?
  /// The size of the content.
  public var bytes: Int64 = 0
  /// Seconds since 1970.
  public var askedAt: Int?
  /// The record with the stored content, its id and its date.
  public var location: WARCLocation?
  public var recordID: String?
  public var recordDate: String?
  /// Failures since the last response, and the time of the next request, in seconds since 1970.
  public var attempts = 0
  public var nextTry: Int?
  public var failure: String?
  /// The passes in which its state was last checked, its content last changed, and it was last listed.
  public var checkedIn: String?
  public var changedIn: String?
  public var seenIn: String?

  /// Its URL for messages.
  public var shown: String { (try? WebURL(url))?.shown ?? url }

  public init(url: String, kind: String) {
    self.url = url
    self.kind = kind
  }

  /// Whether it has valid content: it was fetched, and the last response does not say that it is gone.
  public var holdsContent: Bool { location != nil && (state == .done || state == .failed) }

  public enum Change: String, Sendable { case new, updated, unchanged, gone, disappeared, failed, refused, pending }

  /// The change that a pass found, compared with the state before it.
  public func change(in pass: String) -> Change {
    switch state {
    case .pending: .pending
    case .gone: .gone
    case .disappeared: .disappeared
    case .failed: .failed
    case .refused: .refused
    case .done: changedIn == pass ? (previousDigest == nil ? .new : .updated) : .unchanged
    }
  }
}
