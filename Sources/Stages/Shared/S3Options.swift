import NetKit
public import PipelineKit
import ShardKit

extension S3Endpoint.Addressing: OptionChoice {}

/// Where a service that speaks S3 is, and as whom it is asked. Keys are no options: nothing stores them.
public struct S3Options: StageOptions {
  @Option(
    "The URL of the service; by default AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or the profile's, else Amazon's own.")
  var endpoint = ""
  @Option(
    "The region that requests are signed for; by default AWS_REGION, AWS_DEFAULT_REGION or the profile's, else "
      + "us-east-1.", affectsOutput: false)
  var region = ""
  @Option(
    "A profile of ~/.aws/credentials and ~/.aws/config, instead of the environment's keys or AWS_PROFILE.",
    affectsOutput: false)
  var profile = ""
  @Option(
    "Whether the bucket's name stands in the path or before the host; automatic means the latter at Amazon alone.",
    affectsOutput: false)
  var addressing = S3Endpoint.Addressing.automatic
  @Option("Asks without keys: for buckets open to all.", affectsOutput: false) var anonymous = false

  public init() {}
}

extension S3Options {
  func access(paysForRequests: Bool = false) throws(NetError) -> S3Access {
    let named = profile.isEmpty ? nil : profile
    let endpoint = try S3Endpoint(
      endpoint: endpoint, region: region, addressing: addressing, profile: named, environment: environmentValue
    )
    let chain = anonymous ? nil : CredentialChain(profile: named, environment: environmentValue)
    return S3Access(endpoint, chain, paysForRequests: paysForRequests)
  }

  /// Where the service is, for what a finished task is known by: the environment may say it.
  func service() throws -> String {
    do throws(NetError) { return try access().endpoint.shown } catch {
      throw StageError(.options, "endpoint", error.message, hint: error.hint)
    }
  }

}

extension S3Location {
  /// As an option says it.
  static func stated(_ text: String, option: String) throws(StageError) -> S3Location {
    do throws(NetError) { return try S3Location(text) } catch {
      throw StageError(.options, option, error.message, hint: error.hint)
    }
  }
}
