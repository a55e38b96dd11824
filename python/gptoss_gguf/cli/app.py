"""Commands and options. Flags that mean the same as in llama.cpp have the same names."""

from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import typer

from gptoss_gguf.cli.choices import (
    DEFAULT_MODEL,
    ENGINE,
    MODEL_HELP,
    SAMPLING,
    CacheDir,
    CacheDiskGb,
    Compute,
    ComputeOption,
    Dense,
    Device,
    Effort,
    Format,
    Synthetic,
    Threads,
    WeightsCache,
)

app = typer.Typer(
    help="Run OpenAI's gpt-oss models on your own machine.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
options = SimpleNamespace(traceback=False)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        from gptoss_gguf import __version__

        typer.echo(f"gptoss {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where an error came from.")] = False,
) -> None:
    options.traceback = traceback
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def run(
    prompt: Annotated[
        str | None, typer.Argument(help="What to ask. Without it: a chat, or the prompt from a pipe.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("-m", "--model", help=MODEL_HELP, show_default=DEFAULT_MODEL)
    ] = None,
    reasoning_effort: Annotated[
        Effort, typer.Option("--reasoning-effort", help="How long to think before answering.")
    ] = Effort.medium,
    raw: Annotated[
        bool, typer.Option("--raw", help="Continue the prompt as plain text, without a chat.")
    ] = False,
    n_predict: Annotated[
        int | None,
        typer.Option("-n", "--n-predict", min=1, help="Most tokens to generate.", show_default="no limit"),
    ] = None,
    temp: Annotated[
        float, typer.Option("--temp", help="Temperature; 0 is greedy.", rich_help_panel=SAMPLING)
    ] = 1.0,
    top_p: Annotated[float, typer.Option("--top-p", help="Nucleus.", rich_help_panel=SAMPLING)] = 1.0,
    top_k: Annotated[
        int, typer.Option("--top-k", help="Candidates; 0 is all.", rich_help_panel=SAMPLING)
    ] = 0,
    min_p: Annotated[
        float,
        typer.Option("--min-p", help="Least share of the likeliest's probability.", rich_help_panel=SAMPLING),
    ] = 0.0,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", help="Same seed, same answer.", show_default="random", rich_help_panel=SAMPLING
        ),
    ] = None,
    device: Device = "auto",
    compute: ComputeOption = Compute.auto,
    ctx_size: Annotated[
        int,
        typer.Option(
            "-c",
            "--ctx-size",
            min=0,
            help="Most tokens of prompt and answer; 0: what fits.",
            rich_help_panel=ENGINE,
        ),
    ] = 0,
    threads: Threads = 0,
    weights_cache: WeightsCache = True,
    cache_dir: CacheDir = None,
    cache_disk_gb: CacheDiskGb = 8,
) -> None:
    """Ask a model, or chat with it.

    In a chat, Ctrl-C stops the answer and Ctrl-D leaves. Reasoning is dimmed on a terminal, and not piped.
    """
    from gptoss_gguf.cli.run import run_model
    from gptoss_gguf.params import SamplingParams

    params = SamplingParams(
        max_tokens=n_predict, temperature=temp, top_p=top_p, top_k=top_k, min_p=min_p, seed=seed
    )
    run_model(
        prompt,
        model=model,
        params=params,
        reasoning_effort=reasoning_effort.value,
        raw=raw,
        device=device,
        compute=compute.value,
        n_ctx=ctx_size,
        n_threads=threads,
        weights_cache=weights_cache,
        cache_dir=cache_dir,
        cache_disk_gb=cache_disk_gb,
    )


@app.command()
def convert(
    src: Annotated[Path, typer.Argument(metavar="SRC", help="Hugging Face checkpoint folder.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="GGUF file to write.")],
    dense: Annotated[
        Dense, typer.Option("--dense", help="Type of the dense matrices; experts are always MXFP4.")
    ] = Dense.q8_0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be written.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
) -> None:
    """Convert a Hugging Face checkpoint to GGUF."""
    from gptoss_gguf.cli.convert import convert_model, print_plan

    if dry_run:
        print_plan(src, out, dense.value)
    else:
        convert_model(src, out, dense.value, force=force)


@app.command()
def info(
    model: Annotated[str | None, typer.Argument(help=MODEL_HELP)] = None,
    tensors: Annotated[bool, typer.Option("--tensors", help="List every tensor.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a model file holds, the memory it needs, and the devices of this machine."""
    from gptoss_gguf.cli.info import print_info

    print_info(model, list_tensors=tensors, as_json=as_json)


@app.command()
def pull(model: Annotated[str, typer.Argument(help=MODEL_HELP)]) -> None:
    """Download a model (and convert it, if it is an original checkpoint); print the path of the file."""
    from gptoss_gguf.models import resolve_model

    typer.echo(resolve_model(model))


@app.command()
def bench(
    model: Annotated[str | None, typer.Option("-m", "--model", help=MODEL_HELP)] = None,
    synthetic: Annotated[
        Synthetic | None,
        typer.Option("--synthetic", help="Instead of -m: random weights in the shapes of this model."),
    ] = None,
    layers: Annotated[
        int | None,
        typer.Option("--layers", min=1, help="Layers of the synthetic model.", show_default="all"),
    ] = None,
    n_prompt: Annotated[
        str, typer.Option("-p", "--n-prompt", metavar="N,...", help="Prompt lengths to time; 0: none.")
    ] = "512",
    n_gen: Annotated[
        str, typer.Option("-n", "--n-gen", metavar="N,...", help="Tokens to generate one by one; 0: none.")
    ] = "128",
    n_depth: Annotated[
        str,
        typer.Option("-d", "--n-depth", metavar="N,...", help="Tokens in the KV cache before that."),
    ] = "0",
    parallel: Annotated[
        str,
        typer.Option("--parallel", metavar="N,...", help="Sequences that generate at the same time."),
    ] = "1",
    repetitions: Annotated[
        int, typer.Option("-r", "--repetitions", min=1, help="Repetitions, after one that is not timed.")
    ] = 5,
    threads: Threads = 0,
    device: Device = "auto",
    compute: ComputeOption = Compute.auto,
    weights_cache: WeightsCache = True,
    output: Annotated[Format, typer.Option("-o", "--output", help="Table, or llama-bench's fields.")] = (
        Format.md
    ),
    profile: Annotated[
        bool, typer.Option("--profile", help="Show where the time goes, per operation.")
    ] = False,
    trace: Annotated[
        Path | None,
        typer.Option("--trace", metavar="FILE", help="Write every operation to a Chrome trace."),
    ] = None,
    quality: Annotated[
        int,
        typer.Option(
            "--quality",
            metavar="N",
            min=0,
            help="Compare the logits of N tokens with those of the float32 reference device.",
        ),
    ] = 0,
    vs: Annotated[
        str | None,
        typer.Option(
            "--vs",
            metavar="ENGINE",
            help="Take turns with llama.cpp (its Python package), or with the llama-bench program here.",
        ),
    ] = None,
) -> None:
    """Measure how fast a model runs, and how fast this machine could run it.

    Times prompts (pp512: 512 tokens at once) and generation (tg128: 128 tokens one by one), and says how much
    they move from memory (GB/s) and multiply (GMAC/s), in percent of what this machine reached just before.
    First the model is loaded in a process of its own: for the first time, if nothing of it is kept; cold,
    once the system was asked to forget its pages; and warm. With --vs, another engine runs the same on the
    same file, turn by turn.

    Examples: `gptoss bench --synthetic 20b --layers 4`, `gptoss bench -m x.gguf -p 0 -n 64 -d 0,4096`
    """
    from gptoss_gguf.cli.bench import run_bench

    run_bench(
        model,
        synthetic=synthetic.value if synthetic else None,
        n_layers=layers,
        n_prompt=n_prompt,
        n_gen=n_gen,
        n_depth=n_depth,
        n_parallel=parallel,
        n_repetitions=repetitions,
        n_threads=threads,
        device=device,
        compute=compute.value,
        weights_cache=weights_cache,
        form=output.value,
        profile=profile,
        trace=trace,
        vs=vs,
        n_quality=quality,
    )
