import NetKit
import PipelineKit
import ShardKit

extension S3Endpoint.Addressing: OptionChoice {}

/// The options of a stage that asks a service speaking S3. Keys are no options: nothing stores them.
protocol S3Options: NetworkOptions {
  var endpoint: String { get set }
  var region: String { get set }
  var profile: String { get set }
  var addressing: S3Endpoint.Addressing { get set }
  var anonymous: Bool { get set }
}

extension S3Options {
  static var s3Fields: [OptionField<Self>] {
    [
      OptionField(
        "endpoint", \Self.endpoint,
        "The URL of the service; by default AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or the profile's, else Amazon's own."),
      OptionField(
        "region", \Self.region,
        "The region that requests are signed for; by default AWS_REGION, AWS_DEFAULT_REGION or the profile's, else "
          + "us-east-1.", affectsOutput: false),
      OptionField(
        "profile", \Self.profile,
        "A profile of ~/.aws/credentials and ~/.aws/config, instead of the environment's keys or AWS_PROFILE.",
        affectsOutput: false),
      OptionField(
        "addressing", \Self.addressing,
        "Whether the bucket's name stands in the path or before the host; automatic means the latter at Amazon alone.",
        affectsOutput: false),
      OptionField("anonymous", \Self.anonymous, "Asks without keys: for buckets open to all.", affectsOutput: false),
    ] + networkFields
  }

  func access(paysForRequests: Bool = false) throws(NetError) -> S3Access {
    let named = profile.isEmpty ? nil : profile
    let endpoint = try S3Endpoint(
      endpoint: endpoint, region: region, addressing: addressing, profile: named, environment: environmentValue)
    let chain = anonymous ? nil : CredentialChain(profile: named, environment: environmentValue)
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
