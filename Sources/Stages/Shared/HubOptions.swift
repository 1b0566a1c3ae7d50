import NetKit
public import PipelineKit
import ShardKit

extension HubRepository.Kind: OptionChoice {}

/// The options of a stage that uses one repository of a Hub.
///
/// The environment variable HF_ENDPOINT is ignored: only the pipeline file (or `--set`) determines where data and the
/// token are sent.
public struct HubOptions: StageOptions {
  @Option("The repository, as OWNER/NAME.", required: true) var repository = ""
  @Option("The URL of the Hub or of a mirror. HF_ENDPOINT is ignored.")
  var endpoint = HubRepository.publicEndpoint
  @Option(
    "The name of the environment variable that contains the token. The token is only sent to the Hub and never stored.",
    affectsOutput: false)
  var tokenVariable = "HF_TOKEN"

  public init() {}
}

extension HubOptions {
  func place(_ kind: HubRepository.Kind) throws -> HubRepository {
    do throws(NetError) { return try HubRepository(repository, kind: kind, endpoint: endpoint) } catch {
      throw StageError(.options, error.subject.isEmpty ? "repository" : "endpoint", error.message, hint: error.hint)
    }
  }

  func validate(_ kind: HubRepository.Kind, _ network: NetworkOptions) throws {
    let hub = try place(kind)
    try validateTokenVariable(tokenVariable)
    guard hub.endpoint.hasPrefix("https://") || network.allowPrivateAddresses else {
      throw StageError(
        .options, "endpoint", "\(hub.endpoint) is unencrypted http, which would expose the token",
        hint: "Use https, or set \"allowPrivateAddresses\" if the server is in your own network.")
    }
  }
}

/// The token in an environment variable; nil if it is not set.
func hubToken(_ variable: String) -> HubToken? {
  environmentValue(variable).map { HubToken(variable: variable, value: $0) }
}

/// Refuses a token in place of a variable's name, since it would be stored with the run. The error does not repeat it.
func validateTokenVariable(_ name: String) throws {
  let letters = name.utf8
  let isName =
    letters.allSatisfy { $0 == 0x5F || $0 >= 48 && $0 <= 57 || $0 >= 65 && $0 <= 90 || $0 >= 97 && $0 <= 122 }
    && !(letters.first.map { $0 >= 48 && $0 <= 57 } ?? false)
  guard isName, !name.hasPrefix("hf_"), !name.hasPrefix("glpat") else {
    throw StageError(
      .options, "tokenVariable", "must name an environment variable, not contain the token itself",
      hint: "Put the token into HF_TOKEN and write \"HF_TOKEN\". Revoke a token that was written to a file.")
  }
}
