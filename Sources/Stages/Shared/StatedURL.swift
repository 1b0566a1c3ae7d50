import NetKit
import PipelineKit
import ShardKit

/// A URL from a pipeline file or a list. URLs that contain a password, a token or a signature are refused, because they
/// are stored with the run.
/// - Parameters:
///   - place: the option or the line, for messages.
///   - hint: how to provide the secret instead.
func statedURL(_ text: String, _ place: String, hint: String? = nil) throws -> WebURL {
  let url: WebURL
  do throws(NetError) { url = try WebURL(text) } catch {
    throw StageError(
      .options, place, "'\(shownAddress(text))' is not a valid URL", hint: "Write it as https://host/path.")
  }
  try refuseSecret(url, place, hint: hint)
  return url
}

func refuseSecret(_ url: WebURL, _ place: String, hint: String? = nil) throws {
  guard url.holdsSecret else { return }
  throw StageError(
    .options, place, "\(url) contains a password, a token or a signature, which would be stored with the run",
    hint: hint ?? "Use a URL that needs none.")
}

/// A URL for messages. Invalid text may contain a password anywhere, so only its beginning is shown.
func shownAddress(_ text: String) -> String {
  (try? WebURL(text))?.shown ?? String(text.prefix { $0 != "?" && $0 != "@" }.prefix(200))
}
