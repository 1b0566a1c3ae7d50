import ArgumentParser
import Glibc
import PipelineKit
import ShardKit

/// The description of a site: where jobs go, and what they ask for.
struct ProfileCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "profile", abstract: "Write or check the profile of a cluster.",
    subcommands: [Init.self, Check.self, Options.self])

  struct Init: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Write a profile to start from.")

    @Argument(help: "The file to write.")
    var file = ProfileFile.name

    @Option(help: "The kind of cluster: slurm or ssh.", transform: Self.kind)
    var executor = ExecutorKind.slurm

    static func kind(_ text: String) throws -> ExecutorKind {
      guard let kind = ExecutorKind(rawValue: text) else {
        throw ValidationError("--executor is slurm or ssh, not '\(text)'.")
      }
      return kind
    }

    func run() throws {
      guard !FileSystem.exists(file) else {
        throw RunError(.store, "\(file) already exists", hint: "Edit it, or name another file.")
      }
      try FileSystem.write(Array(ProfileFile.example(executor).utf8), to: file)
      Console.line(
        "\(file) written; edit it, then try it with `pipeline profile check`; `pipeline profile options` lists all")
    }
  }

  struct Options: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the options of a profile.")

    func run() throws {
      let style = Style(STDOUT_FILENO)
      for field in SiteProfile().fields {
        Console.line("\(style.bold(field.name))  \(style.dim(field.value.text()))")
        Console.line("  \(field.documentation)")
      }
      Console.line("")
      Console.line(
        "In \(style.bold("values")): parameters of pipeline files, or paths such as "
          + "stages.dedupe.options.memory, and their values there.")
      Console.line("")
      Console.line("In \(style.bold("resources")), by stage or kind:")
      for field in SiteResources().fields { Console.line("  \(style.bold(field.name))  \(field.documentation)") }
    }
  }

  struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Check a profile against the cluster: partition, limits, shared folder, clock, program, container.",
      discussion: "Submits one small job. Exit code 1 if something is wrong.")

    @Option(help: ArgumentHelp("The profile: its name, its file, or file:name.", valueName: "profile"))
    var profile: String?

    @Option(help: ArgumentHelp("Folder that all nodes must share (default: ./.pipeline).", valueName: "folder"))
    var store: String?

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
      let (file, name) = ProfileOption.parts(profile)
      let found = try ProfileFile.load(ProfileFile.find(file, beside: "."), profile: name)
      try DoctorCommand.show(ClusterChecks.all(found, store: store ?? "./.pipeline"), json: json)
    }
  }
}
