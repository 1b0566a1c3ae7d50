import NetKit
import PipelineKit
import ShardKit

extension S3Endpoint.Addressing: OptionChoice {}

/// Where a service that speaks S3 is, and as whom it is asked. Keys are no options: nothing stores them.
public struct S3Settings: Sendable {
  var endpoint = ""
  var region = ""
  var profile = ""
  var addressing = S3Endpoint.Addressing.automatic
  var anonymous = false
}

/// The options of a stage that asks a service speaking S3.
protocol S3Options: NetworkOptions {
  var s3: S3Settings { get set }
}

extension S3Options {
  static var s3Fields: [OptionField<Self>] {
    [
      OptionField(
        "endpoint", \Self.s3.endpoint,
        "The URL of the service; by default AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or the profile's, else Amazon's own."),
      OptionField(
        "region", \Self.s3.region,
        "The region that requests are signed for; by default AWS_REGION, AWS_DEFAULT_REGION or the profile's, else "
          + "us-east-1.", affectsOutput: false),
      OptionField(
        "profile", \Self.s3.profile,
        "A profile of ~/.aws/credentials and ~/.aws/config, instead of the environment's keys or AWS_PROFILE.",
        affectsOutput: false),
      OptionField(
        "addressing", \Self.s3.addressing,
        "Whether the bucket's name stands in the path or before the host; automatic means the latter at Amazon alone.",
        affectsOutput: false),
      OptionField("anonymous", \Self.s3.anonymous, "Asks without keys: for buckets open to all.", affectsOutput: false),
    ] + networkFields
  }

  func access(paysForRequests: Bool = false) throws(NetError) -> S3Access {
    let named = s3.profile.isEmpty ? nil : s3.profile
    let endpoint = try S3Endpoint(
      endpoint: s3.endpoint, region: s3.region, addressing: s3.addressing, profile: named, environment: environmentValue
    )
    let chain = s3.anonymous ? nil : CredentialChain(profile: named, environment: environmentValue)
    return S3Access(endpoint, chain, paysForRequests: paysForRequests)
  }

  /// Where the service is, for what a finished task is known by: the environment may say it.
  func service() throws -> String {
    do throws(NetError) { return try access().endpoint.shown } catch {
      throw StageError(.options, "endpoint", error.message, hint: error.hint)
    }
  }

  func place(_ text: String, option: String) throws(StageError) -> S3Place {
    do throws(NetError) { return try S3Place(text) } catch {
      throw StageError(.options, option, error.message, hint: error.hint)
    }
  }
}
