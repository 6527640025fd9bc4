# Managed by AgentRail. Do not edit: an install replaces it.
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [string] $TargetRoot,
    [switch] $DryRun,
    [switch] $Force,
    [ValidateSet('auto', 'package', 'copy')] [string] $Source,
    [string] $RuntimeDir,
    [string] $TaskRoot,
    [ValidateSet('text', 'json')] [string] $OutputFormat
)

# The exit code decides, whatever the caller has set for errors.
$ErrorActionPreference = 'Continue'
$PSNativeCommandUseErrorActionPreference = $false
$words = @('-m', 'agentrail_runtime', 'install')
if ($DryRun) { $words += '--dry-run' }
if ($Force) { $words += '--force' }
if ($Source) { $words += "--source=$($Source.ToLowerInvariant())" }
if ($RuntimeDir) { $words += "--runtime-dir=$RuntimeDir" }
if ($TaskRoot) { $words += "--task-root=$TaskRoot" }
if ($OutputFormat) { $words += "--format=$($OutputFormat.ToLowerInvariant())" }
$words += '--', $TargetRoot

$python = Get-Command @('python', 'python3') -CommandType Application -ErrorAction SilentlyContinue |
    Select-Object -First 1
if ($python) {
    # Windows PowerShell 5.1 escapes no double quote and no closing backslash; cmd evaluates more.
    $unsafe = '"'
    if ($python.Path -match '\.(bat|cmd)$') { $unsafe = '["&|<>^%\r\n]' }
    if ($words -match $unsafe) {
        [Console]::Error.WriteLine("tools/runtime/install-runtime.ps1: not safe to hand on: $($words -match $unsafe)")
        [Console]::Error.WriteLine('hint: run agentrail install itself')
        exit 2
    }
    $words = $words -replace '\\$', '\.'
    try {
        & $python -c 'import agentrail_runtime' 2>$null
        if ($LASTEXITCODE -eq 0) {
            & $python @words
            exit $LASTEXITCODE
        }
    } catch {
        Write-Verbose "$($python.Path): $_"
    }
}
[Console]::Error.WriteLine('tools/runtime/install-runtime.ps1: no python that has the package agentrail-runtime')
[Console]::Error.WriteLine('hint: python -m pip install agentrail-runtime')
exit 1
