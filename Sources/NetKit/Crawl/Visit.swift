/// What is known of a URL: what it was asked, when, and what it answered.
public struct Visit: Equatable, Sendable {
  public enum State: String, Sendable {
    case pending
    /// Its content is kept.
    case done
    /// It answered that it is no longer there (404, 410).
    case gone
    /// What listed it lists it no more.
    case disappeared
    /// Another answer, or none; it is asked again.
    case failed
    /// robots.txt or a rule of the client does not allow the question.
    case refused
  }

  public var url: String
  /// What sort of thing it is, in the words of whoever crawls.
  public var kind: String
  public var state = State.pending
  /// What the listing said of its state: while it says the same, the URL is not asked again.
  public var version: String?
  public var status: Int?
  public var validators = Validators()
  /// SHA-256 of the content that is kept, and what it was before.
  public var digest: String?
  public var previousDigest: String?
  /// Of the content.
  public var bytes: Int64 = 0
  /// Seconds since 1970.
  public var askedAt: Int?
  /// The record with the content that is kept, its id and its date.
  public var location: WARCLocation?
  public var recordID: String?
  public var recordDate: String?
  /// Failures since the last answer, and when to ask next, in seconds since 1970.
  public var attempts = 0
  public var nextTry: Int?
  public var failure: String?
  /// The pass in which its state was last made sure of, in which its content last changed, in which it was last listed.
  public var checkedIn: String?
  public var changedIn: String?
  public var seenIn: String?

  /// Its URL for messages.
  public var shown: String { (try? WebURL(url))?.shown ?? url }

  public init(url: String, kind: String) {
    self.url = url
    self.kind = kind
  }

  /// Whether content of it stands: it was had, and the last answer does not say that it is gone.
  public var holdsContent: Bool { location != nil && (state == .done || state == .failed) }

  public enum Change: String, Sendable { case new, updated, unchanged, gone, disappeared, failed, refused, pending }

  /// What a pass found, against what was known before it.
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
