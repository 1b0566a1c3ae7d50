import MarkupKit

/// Converts an S3 error response to an error message.
///
/// Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
struct S3ErrorResponse {
  private let answer: HTTPResponse
  private let place: S3Location
  private let endpoint: S3Endpoint
  private let code: String
  /// The server's message, without keys and control characters.
  private let words: String
  private let region: String?
  private let isOfSession: Bool

  init(_ answer: HTTPResponse, _ place: S3Location, _ endpoint: S3Endpoint, _ keys: S3Credentials?) {
    self.answer = answer
    self.place = place
    self.endpoint = endpoint
    isOfSession = keys?.sessionToken != nil
    let root = XMLElement(answer.body)
    let body = root?.name == "Error" ? root : nil
    func shown(_ text: String, _ limit: Int) -> String {
      let plain = text.unicodeScalars.filter { $0.value >= 32 && $0.value != 127 }
      let whole = String(String.UnicodeScalarView(plain))
      return String((keys?.hidden(in: whole) ?? whole).prefix(limit))
    }
    code = shown(body?["Code"] ?? "", 60)
    words = shown(body?["Message"] ?? "", 200)
    region = (answer.headers["x-amz-bucket-region"] ?? body?["Region"]).map { shown($0, 40) }
  }

  private static let transient: Set = [
    "SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "RequestLimitExceeded", "OperationAborted",
    "BandwidthLimitExceeded", "Throttling", "ThrottlingException", "RequestThrottled",
  ]
  private static let expired: Set = ["ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"]

  var error: NetError {
    let (message, hint) = wrongRegion ?? known ?? other
    var error = NetError(.status, "\(place)", message, hint: hint)
    error.status = answer.status == 200 ? nil : answer.status
    error.isDenied = ["AccessDenied", "AllAccessDisabled"].contains(code)
    error.isTransient = Self.transient.contains(code)
    // A HEAD response has no body with this information.
    error.hasExpired = Self.expired.contains(code) || isOfSession && code.isEmpty && answer.status == 400
    return error
  }

  private typealias Sentence = (message: String, hint: String?)

  private var wrongRegion: Sentence? {
    let isRedirect = [301, 307].contains(answer.status)
    let isMismatch = ["AuthorizationHeaderMalformed", "IllegalLocationConstraintException"].contains(code)
    guard isRedirect || isMismatch || region.map({ answer.status == 400 && $0 != endpoint.region }) ?? false else {
      return nil
    }
    guard let region, region != endpoint.region else {
      return isRedirect
        ? ("the bucket is in another region", "Set \"region\" to the bucket's, and \"endpoint\" to its server.")
        : nil
    }
    return (
      "the bucket is in the region \(region), not in \(endpoint.region)", "Set \"region\" to \(region)."
    )
  }

  private var known: Sentence? {
    switch code {
    case "NoSuchBucket":
      ("there is no bucket '\(place.bucket)' at \(endpoint.shown)", "Check its name, \"endpoint\" and \"region\".")
    case "NoSuchKey": ("there is no such object", "Check the key; it is case-sensitive.")
    case "NoSuchUpload": ("the upload no longer exists on the server", "Run again: the upload starts over.")
    case "InvalidBucketName": ("'\(place.bucket)' is not a valid bucket name", nil)
    case "AccessDenied", "AllAccessDisabled", "AccountProblem":
      (
        "the server does not allow this (\(code))",
        "Check the keys' permissions: reading requires s3:GetObject and s3:ListBucket, writing s3:PutObject."
      )
    case "SignatureDoesNotMatch":
      (
        "the secret key does not belong to the access key (\(code))",
        "Check both for a missing or extra character."
      )
    case "InvalidAccessKeyId": ("the server does not know the access key", "Check the keys, and \"endpoint\".")
    case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired":
      ("the session token has expired", "Get new keys, then run again: finished work is kept.")
    case "InvalidToken": ("the session token is not valid", "Set the AWS_SESSION_TOKEN that came with the keys.")
    case "RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture":
      ("the clocks of this machine and the server differ", "Set the clock.")
    case "XAmzContentSHA256Mismatch", "BadDigest", "InvalidDigest":
      ("the received data has a different digest (\(code))", "Check that the file has not been changed.")
    case "EntityTooLarge": ("the request is too large for the server", "Lower \"partBytes\".")
    case "EntityTooSmall": ("the server requires larger parts", "Raise \"partBytes\".")
    case "PreconditionFailed": ("was replaced after the listing", "Set another \"snapshot\" to list again.")
    case "NotImplemented":
      ("the server does not support the request (\(code))", "Set \"checksums\" to false: not all servers support them.")
    case "QuotaExceeded", "XMinioStorageFull": ("the storage is full (\(code))", "Free some space, then run again.")
    default: nil
    }
  }

  private var other: Sentence {
    if code.isEmpty {
      let generic = answer.refusal()
      return switch answer.status {
      case 400 where isOfSession: (generic.message, "The session token may have expired.")
      case 403: ("the server does not allow this (403)", "Check the keys and their permissions for the bucket.")
      case 404: ("there is no such object or bucket", "Check the name, \"endpoint\" and \"region\".")
      case 412: ("was replaced after the listing", "Set another \"snapshot\" to list again.")
      default: (generic.message, generic.hint)
      }
    }
    return ("the server responded with \(code)" + (words.isEmpty ? "" : ": \(words)"), nil)
  }
}
