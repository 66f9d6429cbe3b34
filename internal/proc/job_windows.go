package proc

import (
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

type means struct{}

func strongest() (*Containment, error) { return contain(JobObject) }

// contain tries a level. Group is that of the leader alone here, which is what a Spec without a Containment has.
func contain(want Level) (*Containment, error) {
	if want != JobObject {
		return nil, errors.New("this system has job objects only")
	}
	job, err := newJob()
	if err != nil {
		return nil, err
	}
	return &Containment{level: JobObject}, windows.CloseHandle(job)
}

// newJob makes a job object that ends all its processes when this process closes it, as it does by ending.
func newJob() (windows.Handle, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return 0, fmt.Errorf("create a job object: %w", err)
	}
	var info windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	info.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
	if err != nil {
		return 0, errors.Join(fmt.Errorf("set up a job object: %w", err), windows.CloseHandle(job))
	}
	return job, nil
}

// spawn starts cmd. In a job object it is put before its first instruction: it is started without one, and resumed.
func spawn(cmd *exec.Cmd, spec Spec) (*tree, error) {
	t := &tree{}
	if spec.Contain.Level() == JobObject {
		job, err := newJob()
		if err != nil {
			return nil, err
		}
		t.job = job
		cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_SUSPENDED}
	}
	if err := cmd.Start(); err != nil {
		t.release()
		return nil, err
	}
	t.leader = cmd.Process.Pid
	if t.job == 0 {
		return t, nil
	}
	if err := errors.Join(assign(t.job, t.leader), resume(t.leader)); err != nil {
		_ = cmd.Process.Kill() // it has not run yet
		_ = cmd.Wait()
		t.release()
		return nil, fmt.Errorf("job object: %w", err)
	}
	return t, nil
}

func assign(job windows.Handle, pid int) error {
	p, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(pid))
	if err != nil {
		return err
	}
	return errors.Join(windows.AssignProcessToJobObject(job, p), windows.CloseHandle(p))
}

// resume lets the threads of a process run: the one that it has.
func resume(pid int) error {
	all, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPTHREAD, 0)
	if err != nil {
		return err
	}
	defer windows.CloseHandle(all)
	e := windows.ThreadEntry32{Size: uint32(unsafe.Sizeof(windows.ThreadEntry32{}))}
	for err = windows.Thread32First(all, &e); err == nil; err = windows.Thread32Next(all, &e) {
		if e.OwnerProcessID != uint32(pid) {
			continue
		}
		t, err := windows.OpenThread(windows.THREAD_SUSPEND_RESUME, false, e.ThreadID)
		if err != nil {
			return err
		}
		_, err = windows.ResumeThread(t)
		return errors.Join(err, windows.CloseHandle(t))
	}
	return fmt.Errorf("no thread of process %d: %w", pid, err)
}

// jobCounts is what the system counts of a job object, JOBOBJECT_BASIC_ACCOUNTING_INFORMATION.
type jobCounts struct {
	TotalUserTime, TotalKernelTime            int64 // in 100 ns
	PeriodUserTime, PeriodKernelTime          int64
	PageFaults, Processes, Active, Terminated uint32
}

// counts returns those of the tree, nothing but zeros when there is no job object.
func (t *tree) counts() (c jobCounts) {
	if t.job != 0 { // what cannot be told is 0
		_ = windows.QueryInformationJobObject(t.job, windows.JobObjectBasicAccountingInformation, uintptr(unsafe.Pointer(&c)), uint32(unsafe.Sizeof(c)), nil)
	}
	return c
}
